// adjusted (Qualcomm's --use_adjusted_weights_quantizer, made for 8-bit weights of denoising models): where min-max shifts
// the range so that zero falls on a level, and so clips one end by up to half a level, this expands the maximum or lowers
// the minimum until zero is on a level and no value is clipped.
#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/calib/registry.h"

namespace qtool::calib {

namespace {

// The finest grid with zero on a level that holds both bounds: scale = max(-lo / z, hi / (N - z)) for the best zero code z.
quant::Range adjusted_range(const quant::Range& observed, const quant::QuantSpec& spec) {
  const double lo = std::min(0.0, observed.lo), hi = std::max(0.0, observed.hi);
  if (spec.symmetry != quant::Symmetry::kAsymmetric || lo == 0.0 || hi == 0.0) return observed;
  const double steps = std::ldexp(1.0, spec.bits) - 1.0;
  const double exact_code = -lo / (hi - lo) * steps;
  quant::Range best = observed;
  double finest = std::numeric_limits<double>::infinity();
  for (const double code : {std::floor(exact_code), std::ceil(exact_code)}) {
    if (code < 1.0 || code > steps - 1.0) continue;
    const double scale = std::max(-lo / code, hi / (steps - code));
    if (scale >= finest) continue;
    finest = scale;
    best = {-scale * code, scale * (steps - code)};
  }
  return best;
}

}  // namespace

void register_adjusted(Registry& registry) {
  registry.add({.name = "adjusted",
                .summary = "bounds widened until zero is on a level and nothing is clipped; for weights",
                .needs_histogram = false,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return adjusted_range(statistics.range, spec);
                }});
}

}  // namespace qtool::calib
