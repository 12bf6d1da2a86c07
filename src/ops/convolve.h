// The direct convolution shared by Conv, ConvInteger and QLinearConv.
#pragma once

#include "qtool/ops/window.h"
#include "real_values.h"

namespace qtool::ops {

struct ConvProblem {
  int64_t batch;
  int64_t in_channels;
  int64_t out_channels;
  int64_t group;
  Window3d window;
};

// Checks channels against group; weight [out_c, in_c / group, spatial...].
[[nodiscard]] ConvProblem conv_problem(const ir::Node& node, const Shape& input, const Shape& weight);
[[nodiscard]] Shape conv_output_shape(const ir::Node& node, const Shape& input, const Shape& weight);

// bias is empty or holds one value an output channel. Sums of integers are exact below 2^53.
[[nodiscard]] Reals convolve(const ConvProblem& problem, const Reals& input, const Reals& weight, const Reals& bias);

}  // namespace qtool::ops
