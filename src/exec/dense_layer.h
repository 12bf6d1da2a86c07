// What our own convolution kernels share: fused activations and bias as the inner loops take them.
#pragma once

#include <vector>

#include "qtool/exec/kernel.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

[[nodiscard]] Finish finish_of(const FusedActivation& activation);

// Input 2 as floats, zeros up to `lanes`; empty when the node has none.
[[nodiscard]] std::vector<float> padded_bias(const KernelRequest& request, int64_t lanes);

// ONNX [out, in, 1, 1] -> [group][in][blocks of the group * block] for `count` inputs from `first` on; lanes past the last
// output channel are zero.
[[nodiscard]] Tensor pack_pointwise(const Tensor& weights, int64_t first, int64_t count, int64_t block);

}  // namespace qtool::exec
