#include "tool.h"

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace qtool::cli_test {

namespace {

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become_tool(char** argv, const char* folder, const char* out, const char* err, const ToolLimits& limits) {
  const auto redirect = [](const char* path, int stream) {
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ::dup2(fd, stream) < 0) ::_exit(126);
  };
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  if (::chdir(folder) != 0) ::_exit(126);
  if (limits.largest_file_bytes > 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{limits.largest_file_bytes, limits.largest_file_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ::execv(argv[0], argv);
  ::_exit(127);
}

}  // namespace

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder).string()] = read_text(entry.path());
  }
  return files;
}

::testing::AssertionResult same_files(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b) {
  for (const auto& [name, content] : a) {
    const auto found = b.find(name);
    if (found == b.end()) return ::testing::AssertionFailure() << name << " is missing";
    if (found->second != content) return ::testing::AssertionFailure() << name << " differs";
  }
  if (a.size() != b.size()) return ::testing::AssertionFailure() << b.size() << " files instead of " << a.size();
  return ::testing::AssertionSuccess();
}

void ToolTest::SetUp() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  folder_ = fs::path(::testing::TempDir()) /
            (std::string("qtool_cli_") + info->test_suite_name() + "_" + info->name() + std::to_string(::getpid()));
  fs::remove_all(folder_);
  fs::create_directories(folder_);
}

void ToolTest::TearDown() {
  if (!HasFailure()) fs::remove_all(folder_);
}

fs::path ToolTest::sample(const std::string& name) { return fs::path(QTOOL_SOURCE_DIR) / "data/sample" / name; }

Outcome ToolTest::run(const Arguments& arguments, const ToolLimits& limits) const {
  // Beside the working directory, so that tests can list it.
  const std::string out = folder_.string() + ".stdout", err = folder_.string() + ".stderr";
  Arguments words = {QTOOL_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) become_tool(argv.data(), folder_.c_str(), out.c_str(), err.c_str(), limits);
  Outcome outcome;
  int status = 0;
  if (child > 0 && ::waitpid(child, &status, 0) == child) {
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  outcome.out = read_text(out);
  outcome.err = read_text(err);
  fs::remove(out);
  fs::remove(err);
  return outcome;
}

Outcome ToolTest::quantize(const std::string& model, const fs::path& output, const Arguments& options) const {
  Arguments words = {"quantize", sample(model + ".onnx"), "--calib", sample("calib/" + model), "--preprocess",
                     sample(model + ".preprocess.json"), "-o", output};
  words.insert(words.end(), options.begin(), options.end());
  return run(words);
}

}  // namespace qtool::cli_test
