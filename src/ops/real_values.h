// Tensors as double arrays. Reference kernels compute on doubles whatever the stored type, which keeps them free of
// templates, and round once when the result is stored.
#pragma once

#include <span>
#include <vector>

#include "qtool/ir/node.h"
#include "qtool/tensor/tensor.h"

namespace qtool::ops {

using Reals = std::vector<double>;

[[nodiscard]] Reals to_reals(const Tensor& tensor);
// Integers are truncated toward zero and saturated; NaN becomes 0 there.
[[nodiscard]] Tensor from_reals(DType dtype, Shape shape, std::span<const double> values);

// Whether somebody may read output `slot` of the node.
[[nodiscard]] bool wants_output(const ir::Node& node, size_t slot);

}  // namespace qtool::ops
