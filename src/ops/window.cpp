#include "qtool/ops/window.h"

#include <algorithm>
#include <string_view>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

[[noreturn]] void invalid(std::string message) { throw Error(ErrorCode::kInvalidModel, std::move(message)); }

std::vector<int64_t> per_axis(const ir::Node& node, std::string_view key, size_t rank, int64_t fallback,
                              int64_t lowest) {
  std::vector<int64_t> values = node.attr_ints(key, std::vector<int64_t>(rank, fallback));
  if (values.empty()) values.assign(rank, fallback);
  if (values.size() != rank) {
    invalid(format("attribute '{}' has {} values for {} spatial axes", key, values.size(), rank));
  }
  for (const int64_t value : values) {
    if (value < lowest) invalid(format("attribute '{}' holds {}, expected at least {}", key, value, lowest));
  }
  return values;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

struct AutoPad {
  bool same = false;
  bool same_lower = false;
  bool valid = false;
};

AutoPad auto_pad_of(const ir::Node& node) {
  const std::string mode = node.attr_string("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER") return {.same = true};
  if (mode == "SAME_LOWER") return {.same = true, .same_lower = true};
  if (mode == "VALID") return {.valid = true};
  if (mode != "NOTSET" && !mode.empty()) invalid(format("attribute 'auto_pad' is '{}'", mode));
  return {};
}

void require_spatial_rank(const Shape& input, const Shape& kernel) {
  if (input.rank() < 2 || input.rank() - 2 != kernel.rank()) {
    invalid(format("kernel {} does not fit an input of shape {}", kernel.text(), input.text()));
  }
  for (const int64_t size : kernel) {
    if (size < 1) invalid(format("kernel {} has an axis without elements", kernel.text()));
  }
}

WindowParams window_attributes(const ir::Node& node, const Shape& kernel) {
  const size_t rank = kernel.rank();
  WindowParams window{.kernel = kernel.dims(),
                      .strides = per_axis(node, "strides", rank, 1, 1),
                      .dilations = per_axis(node, "dilations", rank, 1, 1),
                      .pads_begin = std::vector<int64_t>(rank, 0),
                      .pads_end = std::vector<int64_t>(rank, 0),
                      .output = std::vector<int64_t>(rank, 0)};
  return window;
}

void read_pads(const ir::Node& node, WindowParams& window) {
  const size_t rank = window.rank();
  const std::vector<int64_t> pads = node.attr_ints("pads");
  if (pads.empty()) return;
  if (pads.size() != 2 * rank) invalid(format("attribute 'pads' has {} values for {} spatial axes", pads.size(), rank));
  std::copy_n(pads.begin(), rank, window.pads_begin.begin());
  std::copy_n(pads.begin() + static_cast<int64_t>(rank), rank, window.pads_end.begin());
}

void split_padding(int64_t total, bool more_at_end, int64_t& begin, int64_t& end) {
  begin = more_at_end ? total / 2 : total - total / 2;
  end = total - begin;
}

int64_t output_extent(int64_t input, int64_t padded, int64_t extent, int64_t stride, int64_t pad_begin, bool ceil_mode) {
  if (padded < extent) {
    if (input == 0) return 0;
    invalid(format("window of extent {} does not fit a padded axis of {}", extent, padded));
  }
  int64_t output = (ceil_mode ? ceil_div(padded - extent, stride) : floor_div(padded - extent, stride)) + 1;
  // A window that would start in the padding behind the input is dropped.
  if (ceil_mode && (output - 1) * stride >= input + pad_begin) --output;
  return output;
}

Shape spatial_part(const Shape& shape) {
  if (shape.rank() < 2) invalid(format("expected at least two dimensions, found shape {}", shape.text()));
  return Shape(std::vector<int64_t>(shape.begin() + 2, shape.end()));
}

Shape weight_kernel(const ir::Node& node, const Shape& weight) {
  const Shape kernel = spatial_part(weight);
  const std::vector<int64_t> declared = node.attr_ints("kernel_shape");
  if (!declared.empty() && declared != kernel.dims()) {
    invalid(format("kernel_shape [{}] differs from the weight of shape {}", join(declared, ", "), weight.text()));
  }
  return kernel;
}

}  // namespace

WindowParams resolve_window(const ir::Node& node, const Shape& input, const Shape& kernel) {
  require_spatial_rank(input, kernel);
  WindowParams window = window_attributes(node, kernel);
  const AutoPad auto_pad = auto_pad_of(node);
  const bool ceil_mode = node.attr_int("ceil_mode", 0) != 0 && !auto_pad.valid && !auto_pad.same;
  if (!auto_pad.same && !auto_pad.valid) read_pads(node, window);
  for (size_t i = 0; i < window.rank(); ++i) {
    const int64_t size = input[i + 2], stride = window.strides[i];
    const int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
    if (auto_pad.same) {
      window.output[i] = ceil_div(size, stride);
      const int64_t total = std::max<int64_t>(0, (window.output[i] - 1) * stride + extent - size);
      split_padding(total, !auto_pad.same_lower, window.pads_begin[i], window.pads_end[i]);
      continue;
    }
    const int64_t padded = size + window.pads_begin[i] + window.pads_end[i];
    window.output[i] = output_extent(size, padded, extent, stride, window.pads_begin[i], ceil_mode);
  }
  return window;
}

WindowParams conv_window(const ir::Node& node, const Shape& input, const Shape& weight) {
  return resolve_window(node, input, weight_kernel(node, weight));
}

WindowParams pool_window(const ir::Node& node, const Shape& input) {
  const std::vector<int64_t> kernel = node.attr_ints("kernel_shape");
  if (kernel.empty()) invalid("attribute 'kernel_shape' is missing");
  return resolve_window(node, input, Shape(kernel));
}

WindowParams conv_transpose_window(const ir::Node& node, const Shape& input, const Shape& weight) {
  const Shape kernel = weight_kernel(node, weight);
  require_spatial_rank(input, kernel);
  WindowParams window = window_attributes(node, kernel);
  const size_t rank = window.rank();
  const std::vector<int64_t> extra = per_axis(node, "output_padding", rank, 0, 0);
  std::vector<int64_t> wanted = node.attr_ints("output_shape");
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != rank) {
    invalid(format("attribute 'output_shape' has {} values for {} spatial axes", wanted.size(), rank));
  }
  const AutoPad auto_pad = auto_pad_of(node);
  if (wanted.empty() && auto_pad.same) {
    for (size_t i = 0; i < rank; ++i) wanted.push_back(input[i + 2] * window.strides[i]);
  }
  if (wanted.empty() && !auto_pad.valid) read_pads(node, window);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
    const int64_t full = window.strides[i] * (input[i + 2] - 1) + extra[i] + extent;
    if (wanted.empty()) {
      window.output[i] = full - window.pads_begin[i] - window.pads_end[i];
      if (window.output[i] < 0) invalid(format("pads crop more than the whole output of axis {}", i + 2));
      continue;
    }
    window.output[i] = wanted[i];
    const bool more_at_end = auto_pad.same && !auto_pad.same_lower;
    split_padding(std::max<int64_t>(0, full - wanted[i]), more_at_end, window.pads_begin[i], window.pads_end[i]);
  }
  return window;
}

Window3d as_window_3d(const WindowParams& window, const Shape& input) {
  constexpr size_t kAxes = 3;
  const size_t rank = window.rank();
  if (rank > kAxes) throw Error(ErrorCode::kUnsupported, format("windows over {} spatial axes are not supported", rank));
  Window3d result;
  for (size_t axis = 0; axis < kAxes; ++axis) {
    const bool present = axis + rank >= kAxes;
    const size_t i = present ? axis + rank - kAxes : 0;
    result.input[axis] = present ? input[i + 2] : 1;
    result.kernel[axis] = present ? window.kernel[i] : 1;
    result.strides[axis] = present ? window.strides[i] : 1;
    result.dilations[axis] = present ? window.dilations[i] : 1;
    result.pads_begin[axis] = present ? window.pads_begin[i] : 0;
    result.pads_end[axis] = present ? window.pads_end[i] : 0;
    result.output[axis] = present ? window.output[i] : 1;
  }
  return result;
}

AxisRange covered_range(int64_t offset, int64_t stride, int64_t input_size, int64_t output_size) {
  const int64_t begin = std::max<int64_t>(0, ceil_div(-offset, stride));
  const int64_t end = std::min(output_size, floor_div(input_size - 1 - offset, stride) + 1);
  return {begin, std::max(begin, end)};
}

Shape window_output_shape(int64_t n, int64_t c, const WindowParams& window) {
  std::vector<int64_t> dims{n, c};
  dims.insert(dims.end(), window.output.begin(), window.output.end());
  return Shape(std::move(dims));
}

}  // namespace qtool::ops
