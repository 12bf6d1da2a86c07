// Tensors onto a grid and back. Rounding is half to even of x / scale in float32, the rule of ONNX QuantizeLinear.
#pragma once

#include <vector>

#include "qtool/quant/encoding.h"
#include "qtool/tensor/tensor.h"

namespace qtool::quant {

// Level k = clamp(round(x / scale), lowest, highest); NaN becomes level 0.
[[nodiscard]] int64_t quantize_level(float x, const Grid& grid, int64_t lowest, int64_t highest);

// Levels of every element, row-major. Throws Error(kInvalidModel) when the number of grids does not fit the axis.
[[nodiscard]] std::vector<int64_t> quantize_levels(const Tensor& tensor, const Encoding& encoding);

// The same as floats: exact up to 2^24.
[[nodiscard]] Tensor level_tensor(const Tensor& tensor, const Encoding& encoding);

// The float32 values that survive: scale * level.
[[nodiscard]] Tensor fake_quantize(const Tensor& tensor, const Encoding& encoding);

struct QuantizationError {
  double signal_power = 0.0;  // sum of x^2
  double noise_power = 0.0;   // sum of (x - x^)^2
  int64_t clipped = 0;        // elements outside the grid by more than half a level
  [[nodiscard]] double sqnr() const { return sqnr_db(signal_power, noise_power); }
};
[[nodiscard]] QuantizationError quantization_error(const Tensor& tensor, const Encoding& encoding);

// Real bounds of a float32 tensor: one range, or one for each index of `channel_axis`. An empty tensor gives [0, 0].
// Throws Error(kInvalidData) on NaN or infinity.
[[nodiscard]] std::vector<Range> tensor_ranges(const Tensor& tensor, int channel_axis);

// The same for every grid of a layout, in the order of Encoding::grids.
[[nodiscard]] std::vector<Range> tensor_ranges(const Tensor& tensor, const GridLayout& layout);

// Number of grids a tensor of that shape has. Throws Error(kInvalidModel) when an axis does not exist or blocks do not
// divide their axis.
[[nodiscard]] size_t grid_count(const Shape& shape, const GridLayout& layout);

// Calls fn(element index, channel) over a row-major tensor; channel is 0 when axis < 0.
template <class Fn>
void for_each_channel_element(const Shape& shape, int axis, Fn&& fn) {
  const int64_t count = shape.element_count();
  if (axis < 0) {
    for (int64_t i = 0; i < count; ++i) fn(i, int64_t{0});
    return;
  }
  const int64_t inner = shape.span_count(static_cast<size_t>(axis) + 1, shape.rank());
  const int64_t channels = shape[static_cast<size_t>(axis)];
  int64_t i = 0;
  while (i < count) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t k = 0; k < inner; ++k, ++i) fn(i, c);
    }
  }
}

// Calls fn(element index, grid index) over a row-major tensor.
template <class Fn>
void for_each_grid_element(const Shape& shape, const GridLayout& layout, Fn&& fn) {
  if (!layout.per_block()) return for_each_channel_element(shape, layout.channel_axis, fn);
  const auto inner = [&](int axis) { return shape.span_count(static_cast<size_t>(axis) + 1, shape.rank()); };
  const int64_t channels = shape[static_cast<size_t>(layout.channel_axis)], extent = shape[static_cast<size_t>(layout.block_axis)];
  const int64_t channel_stride = inner(layout.channel_axis), block_stride = inner(layout.block_axis);
  const int64_t blocks = extent / layout.block_size;
  for (int64_t i = 0; i < shape.element_count(); ++i) {
    const int64_t c = i / channel_stride % channels, k = i / block_stride % extent / layout.block_size;
    fn(i, c * blocks + k);
  }
}

// Calls fn(first element, count, grid index) for consecutive elements that share a grid.
template <class Fn>
void for_each_grid_run(const Shape& shape, const GridLayout& layout, Fn&& fn) {
  if (layout.per_block()) {
    return for_each_grid_element(shape, layout, [&](int64_t i, int64_t grid) { fn(i, int64_t{1}, grid); });
  }
  const int64_t count = shape.element_count();
  if (count == 0) return;
  if (layout.channel_axis < 0) return void(fn(int64_t{0}, count, int64_t{0}));
  const int64_t inner = shape.span_count(static_cast<size_t>(layout.channel_axis) + 1, shape.rank());
  const int64_t channels = shape[static_cast<size_t>(layout.channel_axis)];
  for (int64_t i = 0; i < count; i += inner) fn(i, inner, i / inner % channels);
}

}  // namespace qtool::quant
