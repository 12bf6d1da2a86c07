// How the scales and zero points of QuantizeLinear / DequantizeLinear lie over a tensor: one for the whole tensor,
// one for each index of an axis, or (opset 21) one for each block along an axis.
#pragma once

#include <string_view>

#include "axes.h"

namespace qtool::ops {

struct QuantizationGrid {
  AxisView view;           // of the data, around the axis
  int64_t block = 0;       // elements along the axis that share a parameter
  int64_t groups = 1;      // parameters along the axis
  bool blocked = false;    // parameters vary with the outer and inner index as well

  // fn(first element, element count, parameter index, parameter step per element): spans of data with one parameter
  // (step 0) or one each (step 1).
  template <class Fn>
  void for_each_span(Fn&& fn) const {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t k = 0; k < view.length; ++k) {
        const int64_t first = (o * view.length + k) * view.inner;
        const int64_t group = k / block;
        if (blocked) fn(first, view.inner, (o * groups + group) * view.inner, int64_t{1});
        else fn(first, view.inner, group, int64_t{0});
      }
    }
  }
};

// Throws Error(kInvalidModel) when `scale` does not fit the data.
template <class Context>
[[nodiscard]] QuantizationGrid quantization_grid(const Context& context) {
  const Shape& data = operand_shape(context, 0);
  const Shape& scale = operand_shape(context, 1);
  if (context.has_input(2) && operand_shape(context, 2).element_count() != scale.element_count()) {
    invalid_model("scale of shape {} and zero point of shape {} differ", scale.text(), operand_shape(context, 2).text());
  }
  const int64_t block_size = context.node().attr_int("block_size", 0);
  if (block_size < 0) invalid_model("attribute block_size is {}", block_size);
  const bool whole_tensor = block_size == 0 && scale.element_count() == 1 && scale.rank() <= 1;
  if (whole_tensor) return {{1, 1, data.element_count()}, 1, 1, false};

  const size_t axis = data.normalize_axis(context.node().attr_int("axis", 1));
  const AxisView view = view_around(data, axis);
  if (block_size == 0) {
    if (scale.rank() != 1 || scale[0] != data[axis]) {
      invalid_model("scale of shape {} does not fit axis {} of data of shape {}", scale.text(), axis, data.text());
    }
    return {view, 1, view.length, false};
  }
  Shape expected = data;
  expected[axis] = data[axis] / block_size + (data[axis] % block_size != 0 ? 1 : 0);
  if (scale != expected) {
    invalid_model("scale of shape {} does not fit blocks of {} along axis {} of data of shape {}, expected {}",
                  scale.text(), block_size, axis, data.text(), expected.text());
  }
  return {view, block_size, expected[axis], true};
}

struct IntegerRange {
  int64_t lowest = 0;
  int64_t highest = 0;
};

// Levels of an integer type that QuantizeLinear can produce; throws Error(kInvalidModel) for others.
[[nodiscard]] inline IntegerRange quantized_range(DType dtype) {
  switch (dtype) {
    case DType::kInt4: return {-8, 7};
    case DType::kUInt4: return {0, 15};
    case DType::kInt8: return {-128, 127};
    case DType::kUInt8: return {0, 255};
    case DType::kInt16: return {-32768, 32767};
    case DType::kUInt16: return {0, 65535};
    default: invalid_model("{} is not a type to quantize to", dtype_name(dtype));
  }
}

}  // namespace qtool::ops
