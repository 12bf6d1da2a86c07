#include "range_candidates.h"

#include <algorithm>
#include <cmath>

#include "qtool/calib/registry.h"
#include "qtool/support/format.h"

namespace qtool::optimize {

namespace {

// Cutting at the rounding threshold of the score grid (-6.24) instead lets the background pass a confidence of 0.001.
constexpr double kSigmoidReach = 8.0;

}  // namespace

bool same_grid(const quant::Range& a, const quant::Range& b, const quant::QuantSpec& spec) {
  const double half_level = 0.5 * (b.hi - b.lo) / (std::ldexp(1.0, spec.bits) - 1.0);
  return std::abs(a.lo - b.lo) < half_level && std::abs(a.hi - b.hi) < half_level;
}

std::vector<RangeCandidate> range_candidates(const calib::TensorStatistics& statistics, const quant::QuantSpec& spec, const CandidateRules& rules) {
  std::vector<RangeCandidate> candidates;
  const auto add = [&](std::string method, quant::Range range) {
    range = {std::min(0.0, range.lo), std::max(0.0, range.hi)};
    if (rules.cut_for_sigmoid && (range.lo < -kSigmoidReach || range.hi > kSigmoidReach)) {
      range = {std::max(range.lo, -kSigmoidReach), std::min(range.hi, kSigmoidReach)};
      method += ", cut for Sigmoid";
    }
    if (!(range.hi > range.lo)) return;
    const bool known = std::any_of(candidates.begin(), candidates.end(), [&](const RangeCandidate& c) { return same_grid(c.range, range, spec); });
    if (!known) candidates.push_back({std::move(method), range});
  };
  const auto& registry = calib::builtin_registry();
  add("min-max", statistics.range);
  if (!rules.clip) return candidates;
  for (const double percentile : {99.999, 99.99, 99.9}) {
    add(format("percentile {}", percentile), registry.at("percentile").range(statistics, spec, {.percentile = percentile}));
  }
  for (const char* name : {"sqnr", "mse"}) add(name, registry.at(name).range(statistics, spec, {}));
  return candidates;
}

}  // namespace qtool::optimize
