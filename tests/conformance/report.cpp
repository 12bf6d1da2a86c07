#include "report.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "qtool/support/format.h"

namespace qtool::conformance {

namespace {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed: return "pass";
    case Verdict::kFailed: return "FAIL";
    case Verdict::kNotClaimed: return "not claimed";
  }
  return "";
}

std::string cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string join_names(const std::vector<const CaseResult*>& cases) {
  std::vector<std::string> names;
  for (const CaseResult* result : cases) names.push_back(result->name.starts_with("test_") ? result->name.substr(5) : result->name);
  return format("{}", join(names, ", "));
}

// Whether the case is about tensors of numbers: not strings, sequences or optional values.
bool is_about_numbers(const CaseResult& result) {
  constexpr std::array kOthers{"string", "sequence", "Sequence", "TYPE_PROTO"};
  return std::none_of(kOthers.begin(), kOthers.end(), [&](const char* word) { return result.reason_key.find(word) != std::string::npos; });
}

std::string share_line(std::span<const CaseResult> results, int64_t passed) {
  const auto numeric = std::count_if(results.begin(), results.end(), is_about_numbers);
  return format("\n{} of the {} cases about tensors of numbers pass ({:.1f} %). The other cases are about strings, sequences and\n"
                "optional values, which this tool does not handle.\n",
                passed, numeric, numeric == 0 ? 0.0 : 100.0 * static_cast<double>(passed) / static_cast<double>(numeric));
}

}  // namespace

Totals count(std::span<const CaseResult> results) {
  Totals totals;
  for (const CaseResult& result : results) {
    (result.verdict == Verdict::kPassed ? totals.passed : result.verdict == Verdict::kFailed ? totals.failed : totals.not_claimed)++;
  }
  return totals;
}

std::string to_text(std::span<const CaseResult> results, bool failures_only) {
  std::string text;
  for (const CaseResult& result : results) {
    if (failures_only && result.verdict != Verdict::kFailed) continue;
    const std::string_view separator = result.reason.empty() ? "" : ": ";
    text += format("{:<12} {}/{}{}{}\n", verdict_name(result.verdict), result.group, result.name, separator, result.reason);
  }
  const Totals totals = count(results);
  return text + format("{} passed, {} failed, {} skipped\n", totals.passed, totals.failed, totals.not_claimed);
}

std::string to_markdown(std::span<const CaseResult> results) {
  std::map<std::string, std::vector<CaseResult>> groups;
  std::map<std::string, std::vector<const CaseResult*>> reasons;
  std::vector<const CaseResult*> failures;
  std::map<std::string, std::vector<const CaseResult*>> passes;
  for (const CaseResult& result : results) {
    groups[result.group].push_back(result);
    if (result.verdict == Verdict::kNotClaimed) reasons[result.reason_key].push_back(&result);
    if (result.verdict == Verdict::kFailed) failures.push_back(&result);
    if (result.verdict == Verdict::kPassed) passes[result.group].push_back(&result);
  }
  std::string text =
      "# Conformance to the ONNX operator tests\n\n"
      "Written by `onnx_conformance --markdown`. A case passes when every output of the reference kernels agrees with the\n"
      "expected one (floating point: |difference| <= 1e-7 + 1e-3 |expected|, the tolerances of the standard's runner;\n"
      "bfloat16, and float16 after several nodes: two units in the last place; other types: equal), with and without constant folding, and when every tensor has the inferred shape and type.\n\n"
      "| cases | passed | failed | not claimed |\n|---|---:|---:|---:|\n";
  for (const auto& [group, members] : groups) {
    const Totals totals = count(members);
    text += format("| {} | {} | {} | {} |\n", group, totals.passed, totals.failed, totals.not_claimed);
  }
  const Totals totals = count(results);
  text += format("| **all** | {} | {} | {} |\n", totals.passed, totals.failed, totals.not_claimed);
  text += share_line(results, totals.passed);

  text += "\n## Failed\n\n";
  if (failures.empty()) text += "None.\n";
  for (const CaseResult* result : failures) text += format("- `{}/{}`: {}\n", result->group, result->name, cell(result->reason));

  text += "\n## Not claimed\n\n| reason | number | cases |\n|---|---:|---|\n";
  std::vector<std::pair<std::string, std::vector<const CaseResult*>>> sorted(reasons.begin(), reasons.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  for (const auto& [reason, cases] : sorted) text += format("| {} | {} | {} |\n", cell(reason), cases.size(), join_names(cases));

  text += "\n## Passed\n";
  for (const auto& [group, cases] : passes) text += format("\n{}: {}\n", group, join_names(cases));
  return text;
}

std::string to_json(std::span<const CaseResult> results) {
  const Totals totals = count(results);
  nlohmann::ordered_json json;
  json["passed"] = totals.passed;
  json["failed"] = totals.failed;
  json["skipped"] = totals.not_claimed;
  json["cases"] = nlohmann::ordered_json::array();
  for (const CaseResult& result : results) {
    nlohmann::ordered_json entry{{"group", result.group}, {"name", result.name}, {"verdict", verdict_name(result.verdict)}};
    if (!result.reason.empty()) entry["reason"] = result.reason;
    json["cases"].push_back(std::move(entry));
  }
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace qtool::conformance
