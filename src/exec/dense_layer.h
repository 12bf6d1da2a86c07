// What our own convolution kernels share: which layers are 1x1, fused activations and bias as the inner loops take them.
#pragma once

#include <vector>

#include "qtool/exec/kernel.h"
#include "qtool/ops/window.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

[[nodiscard]] Finish finish_of(const FusedActivation& activation);

// The bias as floats, zeros up to `lanes`; empty for nullptr.
[[nodiscard]] std::vector<float> padded_bias(const Tensor* bias, int64_t lanes);

// 1x1 with stride 1 and nothing around it: a matrix product over channels.
[[nodiscard]] bool is_pointwise(const ir::Node& conv, const ops::WindowParams& window);

// ONNX [out, in, 1, 1] -> [group][in][blocks of the group * block] for `count` inputs from `first` on; lanes past the last
// output channel are zero.
[[nodiscard]] Tensor pack_pointwise(const Tensor& weights, int64_t first, int64_t count, int64_t block);

}  // namespace qtool::exec
