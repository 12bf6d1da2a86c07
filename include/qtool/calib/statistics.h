// What calibration remembers of one tensor.
#pragma once

#include <cstdint>
#include <optional>

#include "qtool/calib/channel_statistics.h"
#include "qtool/quant/histogram.h"

namespace qtool::calib {

struct TensorStatistics {
  quant::Range range;               // exact bounds of the finite values
  int64_t count = 0;                // finite values
  int64_t non_finite = 0;           // NaN and infinities, left out of everything else
  std::optional<quant::Histogram> histogram;
  std::optional<ChannelStatistics> channels;  // where CalibrationOptions::channel_axes asks for it

  [[nodiscard]] bool empty() const { return count == 0; }
  void merge(const TensorStatistics& other);
};

}  // namespace qtool::calib
