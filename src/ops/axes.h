// Axis lists, and a shape split around one axis.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "operands.h"

namespace qtool::ops {

// Marks which of `rank` axes are listed; negative axes count from the end. Repeats and values outside throw.
[[nodiscard]] inline std::vector<bool> axis_mask(std::span<const int64_t> axes, size_t rank) {
  std::vector<bool> mask(rank, false);
  const auto n = static_cast<int64_t>(rank);
  for (const int64_t axis : axes) {
    if (axis < -n || axis >= n) invalid_model("axis {} is outside a tensor of rank {}", axis, rank);
    const auto at = static_cast<size_t>(axis < 0 ? axis + n : axis);
    if (mask[at]) invalid_model("axis {} is listed twice in axes [{}]", axis, join(axes, ", "));
    mask[at] = true;
  }
  return mask;
}

// A tensor seen as [outer, length, inner] around one axis.
struct AxisView {
  int64_t outer = 1;
  int64_t length = 1;
  int64_t inner = 1;
};

[[nodiscard]] inline AxisView view_around(const Shape& shape, size_t axis) {
  return {shape.span_count(0, axis), shape[axis], shape.span_count(axis + 1, shape.rank())};
}

// Turns a possibly negative index of an axis of the given length into 0..length-1.
[[nodiscard]] inline int64_t checked_index(int64_t index, int64_t length) {
  if (index < -length || index >= length) {
    invalid_model("index {} is outside an axis of length {}", index, length);
  }
  return index < 0 ? index + length : index;
}

}  // namespace qtool::ops
