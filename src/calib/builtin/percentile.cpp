// percentile: the given share of the values stays inside. A tensor with both signs loses half of the rest on each side, a
// one-sided one all of it at its only tail (other tools cut the full rest from both ends).
#include <algorithm>

#include "qtool/calib/registry.h"

namespace qtool::calib {

namespace {

quant::Range percentile_range(const TensorStatistics& statistics, double percentile) {
  const quant::Range observed = statistics.range;
  if (!statistics.histogram || statistics.histogram->counts().empty()) return observed;
  const quant::Histogram& histogram = *statistics.histogram;
  const bool two_tails = observed.lo < 0.0 && observed.hi > 0.0;
  const double outside = (1.0 - percentile / 100.0) * static_cast<double>(histogram.finite_count()) / (two_tails ? 2.0 : 1.0);
  const auto& counts = histogram.counts();
  const auto edge = [&](size_t bin) {
    return (static_cast<double>(histogram.first_bin()) + static_cast<double>(bin)) * histogram.bin_width();
  };
  quant::Range range = observed;
  double below = 0.0;
  for (size_t bin = 0; observed.lo < 0.0 && bin < counts.size(); ++bin) {
    below += static_cast<double>(counts[bin]);
    if (below <= outside) continue;
    range.lo = std::max(observed.lo, std::min(0.0, edge(bin)));
    break;
  }
  double above = 0.0;
  for (size_t bin = counts.size(); observed.hi > 0.0 && bin-- > 0;) {
    above += static_cast<double>(counts[bin]);
    if (above <= outside) continue;
    range.hi = std::min(observed.hi, std::max(0.0, edge(bin + 1)));
    break;
  }
  return range;
}

}  // namespace

void register_percentile(Registry& registry) {
  registry.add({.name = "percentile",
                .summary = "keeps --percentile_calibration_value of the values (99.99)",
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec&, const MethodOptions& options) {
                  return percentile_range(statistics, options.percentile);
                }});
}

}  // namespace qtool::calib
