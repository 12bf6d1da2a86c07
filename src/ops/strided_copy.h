// Copies a strided view of a tensor into a dense one: the kernel of most operators that only move elements.
#pragma once

#include <vector>

#include "qtool/tensor/tensor.h"

namespace qtool::ops {

// result, in row-major order of `view_dims`, = source[first + sum(index * view_strides)]. The view may have another
// rank than the result, but the same number of elements.
[[nodiscard]] Tensor copy_view(const Tensor& source, int64_t first, const std::vector<int64_t>& view_dims,
                               const std::vector<int64_t>& view_strides, Shape result_shape);

}  // namespace qtool::ops
