// The one calibration loop: images through the float model, one a worker, statistics at every observed value.
#pragma once

#include <map>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"
#include "qtool/support/reporter.h"

namespace qtool::calib {

struct CalibrationOptions {
  int threads = 1;
  bool histograms = false;   // min-max needs none
  // Values that get per-channel statistics too, and the axis of their channels (1 for the output of a convolution, the
  // last one for that of a matrix product). They need not be among the observed ones; those not observed get no histogram.
  std::map<ir::ValueId, int> channel_axes;
};

struct CalibrationResult {
  std::map<ir::ValueId, TensorStatistics> statistics;
  int64_t samples = 0;
  size_t arena_bytes = 0;                     // of one worker
  std::vector<std::string> reference_nodes;   // operators without a fast kernel
};

// Statistics do not depend on the order of samples nor on the number of threads, bit for bit: all merges are minima,
// maxima and integer sums. Throws Error(kInvalidData) when a sample does not fit the model (file named).
[[nodiscard]] CalibrationResult calibrate(const ir::Graph& graph, const std::vector<ir::ValueId>& observed,
                                          const data::SampleSource& source, const CalibrationOptions& options,
                                          Reporter& reporter);

}  // namespace qtool::calib
