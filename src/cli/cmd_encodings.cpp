#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/encodings_tool.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;
using pipeline::Finding;
constexpr int kDone = 0, kGateNotMet = 1;

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

const char* severity_name(Finding::Severity severity) {
  switch (severity) {
    case Finding::Severity::kError: return "error";
    case Finding::Severity::kWarning: return "warning";
    case Finding::Severity::kNote: break;
  }
  return "note";
}

struct Options {
  pipeline::ConvertEncodingsConfig convert;
  pipeline::CheckEncodingsConfig check;
  pipeline::DiffEncodingsConfig diff;
  bool lossless = false, strict = false, json = false;
  size_t shown = 20;
};

int convert(const Options& o, Reporter& reporter) {
  const auto summary = pipeline::convert_encodings(o.convert, reporter);
  for (const std::string& warning : summary.warnings) reporter.warning(warning);
  if (o.json) {
    print(Json{{"from", summary.from}, {"to", summary.to}, {"entries", summary.entries}, {"losses", summary.losses}, {"warnings", summary.warnings}}.dump(2) + "\n");
  } else {
    print(format("{} -> {}: {} entries, wrote {}\n", summary.from, summary.to, summary.entries, o.convert.output.string()));
    for (const std::string& loss : summary.losses) print("lost: " + loss + "\n");
    if (summary.losses.empty()) print("nothing is lost\n");
  }
  return o.lossless && !summary.losses.empty() ? kGateNotMet : kDone;
}

int check(const Options& o, Reporter& reporter) {
  const auto summary = pipeline::check_encodings(o.check, reporter);
  const size_t errors = summary.count(Finding::Severity::kError), warnings = summary.count(Finding::Severity::kWarning);
  if (o.json) {
    Json findings = Json::array();
    for (const Finding& f : summary.findings) {
      findings.push_back({{"severity", severity_name(f.severity)}, {"rule", f.rule}, {"tensor", f.tensor}, {"text", f.text}});
    }
    print(Json{{"version", summary.version}, {"entries", summary.entries}, {"applied", summary.applied}, {"planned", summary.planned},
               {"missing", summary.missing}, {"errors", errors}, {"warnings", warnings}, {"findings", findings}}.dump(2) + "\n");
  } else {
    for (size_t i = 0; i < std::min(o.shown, summary.findings.size()); ++i) {
      const Finding& f = summary.findings[i];
      print(format("{}: {}{}{} [{}]\n", severity_name(f.severity), f.tensor, f.tensor.empty() ? "" : ": ", f.text, f.rule));
    }
    if (summary.findings.size() > o.shown) print(format("... and {} more (--json has all)\n", summary.findings.size() - o.shown));
    print(format("version {}: {} of {} entries apply; {} of {} tensors of profile '{}' have one; {} errors, {} warnings\n", summary.version, summary.applied,
                 summary.entries, summary.planned - summary.missing, summary.planned, o.check.profile, errors, warnings));
  }
  return errors > 0 || (o.strict && warnings > 0) ? kGateNotMet : kDone;
}

int diff(const Options& o) {
  const auto summary = pipeline::diff_encodings(o.diff);
  if (o.json) {
    Json different = Json::array();
    for (const auto& d : summary.different) different.push_back({{"tensor", d.tensor}, {"difference", d.text}});
    print(Json{{"versions", {summary.version_a, summary.version_b}}, {"in_both", summary.in_both}, {"equal", summary.equal}, {"only_a", summary.only_a},
               {"only_b", summary.only_b}, {"different", different}, {"worst_scale_ratio", summary.worst_scale_ratio}}.dump(2) + "\n");
    return summary.same() ? kDone : kGateNotMet;
  }
  for (size_t i = 0; i < std::min(o.shown, summary.different.size()); ++i) print(format("{}: {}\n", summary.different[i].tensor, summary.different[i].text));
  if (summary.different.size() > o.shown) print(format("... and {} more (--json has all)\n", summary.different.size() - o.shown));
  const auto only = [](const std::vector<std::string>& names, const std::filesystem::path& file) {
    if (!names.empty()) print(format("{} only in {}, first: {}\n", names.size(), file.filename().string(), names.front()));
  };
  only(summary.only_a, o.diff.a);
  only(summary.only_b, o.diff.b);
  print(format("{} of {} common tensors equal (versions {} and {}), scales differ at most by a factor of {:.6g}\n", summary.equal, summary.in_both,
               summary.version_a, summary.version_b, summary.worst_scale_ratio));
  return summary.same() ? kDone : kGateNotMet;
}

}  // namespace

Action add_encodings(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  app.require_subcommand(1);
  CLI::App* to = app.add_subcommand("convert", "write the file as another version, and say what that loses");
  to->add_option("file", o.convert.input, "encodings of any version, or Qualcomm overrides")->required();
  to->add_option("--to", o.convert.to, "0.6.1, 1.0.0, 2.0.0, 2.1.0 or overrides")->required();
  to->add_option("-o,--output", o.convert.output, "the file to write")->required();
  to->add_option("--model", o.convert.model.path, "ONNX model, for axes and sections that the file does not state");
  to->add_flag("--lossless", o.lossless, "exit code 1 when something is lost");
  add_input_shape(*to, o.convert.model.input_shapes);
  CLI::App* against = app.add_subcommand("check", "does the file fit the model and the backend?");
  against->add_option("file", o.check.input, "encodings of any version, or Qualcomm overrides")->required();
  against->add_option("--model", o.check.model.path, "ONNX model")->required();
  against->add_option("--profile", o.check.profile, "target profile (htp)");
  against->add_flag("--strict", o.strict, "exit code 1 for warnings too");
  add_input_shape(*against, o.check.model.input_shapes);
  CLI::App* compare = app.add_subcommand("diff", "what differs between two files, whatever their versions");
  compare->add_option("a", o.diff.a, "encodings")->required();
  compare->add_option("b", o.diff.b, "encodings")->required();
  compare->add_option("--tolerance", o.diff.tolerance, "relative difference of scales that counts as equal (1e-6)");
  for (CLI::App* sub : {to, against, compare}) {
    sub->fallthrough();  // --json, --quiet and the like
    sub->add_option("--show", o.shown, "lines of detail (20)");
  }
  app.footer("Exit codes: 0 done or equal, 1 findings, differences or losses asked about, 2 usage, 3 unreadable or impossible.");
  return [options, to, against, &common](Reporter& reporter) {
    options->json = common.json;
    if (to->parsed()) return convert(*options, reporter);
    if (against->parsed()) return check(*options, reporter);
    return diff(*options);
  };
}

}  // namespace qtool::cli
