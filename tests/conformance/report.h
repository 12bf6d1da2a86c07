// The results as text, Markdown (docs/conformance.md) and JSON.
#pragma once

#include <span>
#include <string>

#include "case_runner.h"

namespace qtool::conformance {

struct Totals {
  int passed = 0;
  int failed = 0;
  int not_claimed = 0;
};

[[nodiscard]] Totals count(std::span<const CaseResult> results);
[[nodiscard]] std::string to_text(std::span<const CaseResult> results, bool failures_only);
[[nodiscard]] std::string to_markdown(std::span<const CaseResult> results);
[[nodiscard]] std::string to_json(std::span<const CaseResult> results);

}  // namespace qtool::conformance
