#include "range_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/quant/round_even.h"

namespace qtool::calib {

WeightedBins bins_of(const quant::Histogram& histogram) {
  WeightedBins bins{.width = histogram.bin_width()};
  const quant::Range range = histogram.range();
  const auto total = static_cast<double>(histogram.finite_count());
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 0) continue;
    const double centre = (static_cast<double>(histogram.first_bin()) + static_cast<double>(i) + 0.5) * bins.width;
    bins.centre.push_back(std::clamp(centre, range.lo, range.hi));
    bins.mass.push_back(static_cast<double>(histogram.counts()[i]) / total);
  }
  return bins;
}

double expected_noise(const WeightedBins& bins, const quant::Grid& grid, int64_t lowest, int64_t highest, double clip_weight) {
  const double lo = grid.scale * static_cast<double>(lowest), hi = grid.scale * static_cast<double>(highest);
  // Where several levels fall into one bin the values spread evenly over the rounding interval.
  const bool fine = grid.scale < bins.width;
  const double rounding = grid.scale * grid.scale / 12.0;
  const double inverse = 1.0 / grid.scale;
  double noise = 0.0;
  constexpr size_t kPiece = 64;
  double errors[kPiece];
  for (size_t at = 0; at < bins.centre.size(); at += kPiece) {
    const size_t count = std::min(kPiece, bins.centre.size() - at);
    const double *centre = bins.centre.data() + at, *mass = bins.mass.data() + at;
    for (size_t i = 0; i < count; ++i) {
      const double x = centre[i], below = lo - x, above = x - hi;
      const double difference = x - grid.scale * quant::round_half_even(x * inverse);
      const double inside = fine ? rounding : difference * difference;
      const double error = below > 0.0 ? clip_weight * below * below : inside;
      errors[i] = above > 0.0 ? clip_weight * above * above : error;
    }
    for (size_t i = 0; i < count; ++i) noise += mass[i] * errors[i];  // in the order of the bins
  }
  return noise;
}

double expected_sqnr_db(const TensorStatistics& statistics, const quant::QuantSpec& spec, const quant::Range& range) {
  if (!statistics.histogram) return std::numeric_limits<double>::infinity();
  const WeightedBins bins = bins_of(*statistics.histogram);
  const quant::Encoding encoding = quant::encoding_from_ranges(spec, {&range, 1});
  double signal = 0.0;
  for (size_t i = 0; i < bins.centre.size(); ++i) signal += bins.mass[i] * bins.centre[i] * bins.centre[i];
  return quant::sqnr_db(signal, expected_noise(bins, encoding.grids[0], encoding.lowest_level(), encoding.highest_level(), 1.0));
}

quant::Range least_noise_range(const TensorStatistics& statistics, const quant::QuantSpec& spec, double clip_weight) {
  const quant::Range observed = statistics.range;
  if (!statistics.histogram || statistics.histogram->counts().empty()) return observed;
  const WeightedBins bins = bins_of(*statistics.histogram);
  quant::QuantSpec alone = spec;
  alone.channel_axis = -1;
  const auto cost = [&](const quant::Range& range) {
    const quant::Encoding encoding = quant::encoding_from_ranges(alone, {&range, 1});
    return expected_noise(bins, encoding.grids[0], encoding.lowest_level(), encoding.highest_level(), clip_weight);
  };
  const double lo = std::min(0.0, observed.lo), hi = std::max(0.0, observed.hi);
  const bool one_knob = spec.symmetry != quant::Symmetry::kAsymmetric || lo == 0.0 || hi == 0.0;

  quant::Range best = observed;
  double best_cost = cost(observed);
  const auto try_factors = [&](double f, double g) {
    const quant::Range range{lo * f, hi * g};
    const double value = cost(range);
    if (value < best_cost) {
      best_cost = value;
      best = range;
    }
  };
  // Factors of both ends: the whole interval first, then ever closer around the best pair.
  double centre_f = 0.5, centre_g = 0.5, reach = 0.5;
  for (const int steps : {16, 8, 8}) {
    for (int i = 0; i <= steps; ++i) {
      const double f = std::clamp(centre_f - reach + 2.0 * reach * i / steps, 0.02, 1.0);
      if (one_knob) {
        try_factors(f, f);
        continue;
      }
      for (int j = 0; j <= steps; ++j) try_factors(f, std::clamp(centre_g - reach + 2.0 * reach * j / steps, 0.02, 1.0));
    }
    centre_f = lo < 0.0 ? best.lo / lo : best.hi / std::max(hi, 1e-300);
    centre_g = hi > 0.0 ? best.hi / hi : centre_f;
    reach = 1.5 / steps * (steps == 16 ? 1.0 : 0.25);
  }
  return best;
}

}  // namespace qtool::calib
