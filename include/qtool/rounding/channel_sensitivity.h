// What an error in a channel is worth at the outputs of the model.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"

namespace qtool::rounding {

struct SensitivityOptions {
  int64_t images = 16;  // evenly spread over the source
  int threads = 1;
  uint64_t seed = 0;
};

// By value and channel (axis 1 of [1, C, ...]) the mean over images of  sum over pixels and outputs of (d output / d pixel)^2 / P,
// P: power of that output, a sum over its elements. An error of variance v in every pixel, independent of its neighbours, thus
// adds v times this to the sum over outputs of noise power over signal power. Estimated with one probe of random signs an image.
// Values that an operator without an adjoint rule reads (rounding/adjoint.h) are left out. The result does not depend on the
// number of threads. Throws what loading a sample throws.
[[nodiscard]] std::map<ir::ValueId, std::vector<double>> channel_sensitivity(const ir::Graph& graph, const std::vector<ir::ValueId>& values,
                                                                             const data::SampleSource& source, const SensitivityOptions& options);

}  // namespace qtool::rounding
