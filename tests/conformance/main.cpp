// onnx_conformance [options] FOLDER...: runs ONNX test cases on the reference kernels.
//
// A folder is a case (holds model.onnx) or holds cases. Exit codes: 0 no case failed, 1 a case failed, 2 wrong
// arguments, 77 no folders given or no cases in them (ctest: skipped).
#include <cstdio>
#include <string>
#include <vector>

#include "case_runner.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "report.h"

namespace {

constexpr int kExitSkipped = 77;
constexpr const char* kUsage =
    "usage: onnx_conformance [--failures-only] [--filter TEXT] [--markdown FILE] [--json FILE] FOLDER...\n";

struct Arguments {
  std::vector<std::string> folders;
  std::string filter;
  std::string markdown_path;
  std::string json_path;
  bool failures_only = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto next = [&]() -> std::string {
      if (i + 1 >= argc) throw qtool::Error(qtool::ErrorCode::kUsage, argument + " needs a value");
      return argv[++i];
    };
    if (argument == "--failures-only") arguments.failures_only = true;
    else if (argument == "--filter") arguments.filter = next();
    else if (argument == "--markdown") arguments.markdown_path = next();
    else if (argument == "--json") arguments.json_path = next();
    else if (argument.starts_with("--")) throw qtool::Error(qtool::ErrorCode::kUsage, "unknown option " + argument);
    else arguments.folders.push_back(argument);
  }
  return arguments;
}

void write_text(const std::string& path, const std::string& text) {
  if (!path.empty()) qtool::write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

int run(const Arguments& arguments) {
  using namespace qtool::conformance;
  std::vector<std::filesystem::path> cases;
  for (const std::string& folder : arguments.folders) {
    for (auto& path : find_cases(folder)) {
      if (path.string().find(arguments.filter) != std::string::npos) cases.push_back(std::move(path));
    }
  }
  if (cases.empty()) {
    std::fputs("no test cases (the package libonnx-testdata has them)\n", stdout);
    return kExitSkipped;
  }
  std::vector<CaseResult> results(cases.size());
  qtool::parallel_for(static_cast<int64_t>(cases.size()), qtool::available_threads(), [&](int64_t index, int) {
    results[static_cast<size_t>(index)] = run_case(cases[static_cast<size_t>(index)]);
  });
  std::fputs(to_text(results, arguments.failures_only).c_str(), stdout);
  write_text(arguments.markdown_path, to_markdown(results));
  write_text(arguments.json_path, to_json(results));
  return count(results).failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const qtool::Error& error) {
    std::fputs(qtool::format("{}\n{}", error.what(), kUsage).c_str(), stderr);
    return 2;
  }
}
