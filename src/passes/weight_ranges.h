// The ranges of a weight tensor's grids, one for each channel or one for all.
#pragma once

#include <vector>

#include "qtool/calib/registry.h"
#include "qtool/tensor/tensor.h"

namespace qtool::passes {

// What `method` says of each channel (spec.channel_axis; -1: of the tensor). A method that minimizes noise is held to it: it
// judges by a histogram, while here the values themselves are at hand, and min-max stays wherever it is better. "auto" takes
// the method with the least noise for each channel.
[[nodiscard]] std::vector<quant::Range> weight_ranges(const Tensor& weight, const quant::QuantSpec& spec, const calib::Method& method,
                                                      const calib::MethodOptions& options);

}  // namespace qtool::passes
