// Which axes a reduction runs over, and the shape it leaves.
#pragma once

#include <vector>

#include "axes.h"

namespace qtool::ops {

struct ReducePlan {
  std::vector<bool> reduced;  // one flag an axis
  Shape result;
};

// axes: attribute before opset `input_since`, input 1 from there on. Without axes every axis is reduced, or none when
// noop_with_empty_axes is set. nullopt when the axes are not known yet.
template <class Context>
[[nodiscard]] std::optional<ReducePlan> reduce_plan(const Context& context, int64_t input_since) {
  const Shape& shape = operand_shape(context, 0);
  const ir::Node& node = context.node();
  const IntList axes = int_list(context, "axes", 1, input_since);
  if (axes.unknown()) return std::nullopt;
  const bool keeps_none = node.opset >= input_since && node.attr_int("noop_with_empty_axes", 0) != 0;
  ReducePlan plan;
  plan.reduced = axes.values.empty() ? std::vector<bool>(shape.rank(), !keeps_none) : axis_mask(axes.values, shape.rank());
  const bool keepdims = node.attr_int("keepdims", 1) != 0;
  std::vector<int64_t> dims;
  for (size_t d = 0; d < shape.rank(); ++d) {
    if (!plan.reduced[d]) dims.push_back(shape[d]);
    else if (keepdims) dims.push_back(1);
  }
  plan.result = Shape(std::move(dims));
  return plan;
}

// Strides into the result while walking the input: 0 along reduced axes.
[[nodiscard]] inline std::vector<int64_t> reduced_strides(const Shape& input, const std::vector<bool>& reduced) {
  std::vector<int64_t> strides(input.rank(), 0);
  int64_t step = 1;
  for (size_t d = input.rank(); d-- > 0;) {
    if (reduced[d]) continue;
    strides[d] = step;
    step *= input[d];
  }
  return strides;
}

}  // namespace qtool::ops
