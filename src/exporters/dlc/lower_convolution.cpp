// Conv -> Conv2d or DepthWiseConv2d, ConvTranspose -> TransposeConv2d; one spatial axis through Reshape.
#include <algorithm>

#include "dlc/lowering_table.h"
#include "dlc/spatial_window.h"
#include "dlc/weighted_operands.h"
#include "qtool/ops/window.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

const Tensor& constant_weight(const NodeLowering& n) {
  if (n.constant(1) == nullptr) n.refuse("the weight is computed at run time; a DLC needs it constant");
  return *n.constant(1);
}

void set_bias(NodeLowering& n, size_t slot, WeightedOperands& operands) {
  if (!n.has_input(slot)) return;
  operands.bias = n.constant(slot);
  operands.bias_value = n.input(slot);
  if (operands.bias == nullptr) n.refuse("the bias is computed at run time; a DLC needs it constant");
}

// Elements of a weight with one or two spatial axes seen as two, the former preceded by an axis of extent 1.
std::vector<int64_t> as_four_axes(const Shape& weight) {
  std::vector<int64_t> dims = weight.dims();
  if (dims.size() == 3) dims.insert(dims.begin() + 2, 1);
  return dims;
}

// One channel in and out a group. With several results a channel DepthWiseConv2d runs by itself, but the emulated
// backend cannot prepare a Transpose behind it; a grouped Conv2d means the same and has no such limit.
bool is_depthwise(const Shape& input, int64_t out_channels, int64_t group) {
  return group > 1 && group == input[1] && group == out_channels;
}

void lower_conv(NodeLowering& n) {
  const Tensor& weight = constant_weight(n);
  const std::string input = read_image(n);
  const std::vector<int64_t> view = as_four_axes(weight.shape());  // [O, I / group, kh, kw]
  const AxisOrder to_hwio = {2, 3, 1, 0};
  WeightedOperands operands{.weight_layout = permuted_layout(Shape(view), to_hwio), .out_channels = view[0]};
  set_bias(n, 2, operands);

  const int64_t group = n.node().attr_int("group", 1);
  const bool depthwise = is_depthwise(n.shape(0), view[0], group);
  std::vector<std::string> inputs = write_weight_and_bias(n, input, operands);
  inputs.insert(inputs.begin(), input);
  OpDraft draft = image_op(n, depthwise ? "DepthWiseConv2d" : "Conv2d", std::move(inputs));
  const SpatialWindow window = spatial_window(n, ops::conv_window(n.node(), n.shape(0), weight.shape()));
  draft.u32s("stride", window.stride).u32_pairs("pad_amount", window.pads).u32s("dilation", window.dilation);
  if (!depthwise) draft.u32("group", static_cast<uint32_t>(group));
  emit_image(n, std::move(draft));
}

// The result size must follow from stride, pads and output_padding, because the backend computes it so.
std::vector<uint32_t> output_padding(const NodeLowering& n, const ops::WindowParams& window) {
  std::vector<uint32_t> result(window.rank() == 1 ? 1 : 0, 0);
  for (size_t axis = 0; axis < window.rank(); ++axis) {
    const int64_t covered = window.strides[axis] * (n.shape(0)[axis + 2] - 1) + window.kernel[axis] - window.pads_begin[axis] -
                            window.pads_end[axis];
    const int64_t padding = window.output[axis] - covered;
    if (padding < 0 || padding >= std::max<int64_t>(window.strides[axis], 1)) {
      n.refuse(format("the output size {} needs {} rows of output padding", window.output[axis], padding));
    }
    result.push_back(static_cast<uint32_t>(padding));
  }
  return result;
}

void lower_conv_transpose(NodeLowering& n) {
  const Tensor& weight = constant_weight(n);
  const int64_t group = n.node().attr_int("group", 1);
  const std::vector<int64_t> dims = as_four_axes(weight.shape());
  const ops::WindowParams params = ops::conv_transpose_window(n.node(), n.shape(0), weight.shape());
  for (const int64_t dilation : params.dilations) {
    if (dilation != 1) n.refuse("a dilated transposed convolution has no counterpart on the backend");
  }
  const std::string input = read_image(n);
  const quant::Encoding* encoding = n.context().encoding(n.input(1));
  if (n.is_fixed() && group > 1 && encoding != nullptr && encoding->per_channel()) {
    n.refuse("per-channel weights and groups; no axis of the weight holds all output channels, use per-tensor weights");
  }
  // [I, O / group, kh, kw] -> [kh, kw, I, O / group]
  WeightedOperands operands{.weight_layout = permuted_layout(Shape(dims), {2, 3, 0, 1}), .out_channels = dims[1] * group};
  set_bias(n, 2, operands);
  std::vector<std::string> inputs = write_weight_and_bias(n, input, operands);
  inputs.insert(inputs.begin(), input);
  OpDraft draft = image_op(n, "TransposeConv2d", std::move(inputs));
  const SpatialWindow window = spatial_window(n, params);
  draft.u32s("stride", window.stride).u32_pairs("pad_amount", window.pads);
  draft.u32s("output_padding", output_padding(n, params)).u32("group", static_cast<uint32_t>(group));
  emit_image(n, std::move(draft));
}

}  // namespace

void register_lower_convolution(LoweringTable& table) {
  table.add("Conv", {lower_conv});
  table.add("ConvTranspose", {lower_conv_transpose});
}

}  // namespace qtool::exporters::dlc
