// Ranges chosen by the noise they would cause, from one histogram.
#pragma once

#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/quant/encoding.h"

namespace qtool::calib {

// Non-empty bins of a histogram, centres clamped to the exact bounds.
struct WeightedBins {
  std::vector<double> centre;
  std::vector<double> mass;   // sums to 1
  double width = 0.0;
};
[[nodiscard]] WeightedBins bins_of(const quant::Histogram& histogram);

// Mean squared error of values on a grid with levels lowest..highest; clipped values weigh `clip_weight` times.
[[nodiscard]] double expected_noise(const WeightedBins& bins, const quant::Grid& grid, int64_t lowest, int64_t highest, double clip_weight);

// The range inside the observed one whose grid has the least expected noise; the observed range wins ties. A coarse search
// over both ends is refined twice around the best pair.
[[nodiscard]] quant::Range least_noise_range(const TensorStatistics& statistics, const quant::QuantSpec& spec, double clip_weight);

}  // namespace qtool::calib
