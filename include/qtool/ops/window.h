// Resolved sliding-window arithmetic of convolutions and poolings: the one place where auto_pad, ceil_mode and the
// transposed output rules are worked out. Executors and exporters read their pads and strides from here.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "qtool/ir/node.h"
#include "qtool/tensor/shape.h"

namespace qtool::ops {

// One entry a spatial axis, outermost first.
struct WindowParams {
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads_begin;
  std::vector<int64_t> pads_end;
  std::vector<int64_t> output;

  [[nodiscard]] size_t rank() const { return kernel.size(); }
};

// `input` is [N, C, spatial...], `kernel` the spatial kernel alone. Reads strides, dilations, pads, auto_pad and
// ceil_mode. Throws Error(kInvalidModel) when ranks differ or values are out of range.
[[nodiscard]] WindowParams resolve_window(const ir::Node& node, const Shape& input, const Shape& kernel);

// Conv, ConvInteger, QLinearConv and DeformConv: weight [M, C / group, spatial...].
[[nodiscard]] WindowParams conv_window(const ir::Node& node, const Shape& input, const Shape& weight);
// AveragePool, MaxPool and LpPool: the kernel is the attribute kernel_shape.
[[nodiscard]] WindowParams pool_window(const ir::Node& node, const Shape& input);
// ConvTranspose: weight [C, M / group, spatial...]. Pads crop the output; also reads output_padding and output_shape.
[[nodiscard]] WindowParams conv_transpose_window(const ir::Node& node, const Shape& input, const Shape& weight);

// The same window over exactly three spatial axes: missing outer axes have extent 1. Throws Error(kUnsupported) for
// more than three spatial axes.
struct Window3d {
  using Axes = std::array<int64_t, 3>;
  Axes input, kernel, strides, dilations, pads_begin, pads_end, output;

  [[nodiscard]] int64_t input_count() const { return input[0] * input[1] * input[2]; }
  [[nodiscard]] int64_t kernel_count() const { return kernel[0] * kernel[1] * kernel[2]; }
  [[nodiscard]] int64_t output_count() const { return output[0] * output[1] * output[2]; }
};
[[nodiscard]] Window3d as_window_3d(const WindowParams& window, const Shape& input);

// Output positions x in [begin, end) for which 0 <= x * stride + offset < input_size.
struct AxisRange {
  int64_t begin;
  int64_t end;
};
[[nodiscard]] AxisRange covered_range(int64_t offset, int64_t stride, int64_t input_size, int64_t output_size);

// [n, c, window.output...].
[[nodiscard]] Shape window_output_shape(int64_t n, int64_t c, const WindowParams& window);

}  // namespace qtool::ops
