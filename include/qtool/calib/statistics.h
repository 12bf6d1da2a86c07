// What calibration remembers of one tensor.
#pragma once

#include <cstdint>
#include <optional>

#include "qtool/quant/histogram.h"

namespace qtool::calib {

struct TensorStatistics {
  quant::Range range;               // exact bounds of the finite values
  int64_t count = 0;                // finite values
  int64_t non_finite = 0;           // NaN and infinities, left out of everything else
  std::optional<quant::Histogram> histogram;

  [[nodiscard]] bool empty() const { return count == 0; }
  void merge(const TensorStatistics& other);
};

}  // namespace qtool::calib
