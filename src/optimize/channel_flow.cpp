#include "channel_flow.h"

#include <algorithm>
#include <limits>
#include <set>

#include "qtool/passes/rewrite.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;

constexpr int64_t kClipBoundsAreInputsSince = 11;

bool same_shape(const Graph& graph, ir::ValueId a, ir::ValueId b) { return graph.type_of(a).shape == graph.type_of(b).shape; }

bool is_pooling(const Node& node) {
  static const std::set<std::string, std::less<>> kNames = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};
  return kNames.contains(node.op_type) && node.outputs.size() == 1;
}

// Output pixels of an average that counts padding are weighted sums whose weights do not add to one.
bool pads(const Node& node) {
  const auto pads = node.attr_ints("pads");
  return std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; }) || node.attr_string("auto_pad", "NOTSET") != "NOTSET";
}

bool keeps_channels_in_place(const Graph& graph, const Node& node) {
  return channel_count(graph, node.inputs[0]) == channel_count(graph, node.outputs[0]);
}

bool is_zero_pad(const Graph& graph, const Node& node) {
  if (node.attr_string("mode", "constant") != "constant") return true;  // reflection and the like repeat values
  if (node.opset < 11) return node.attr_float("value", 0.0f) == 0.0f;
  return passes::input_of(node, 2) == kNoValue || passes::scalar_constant(graph, node.inputs[2]) == 0.0;
}

// [N, C, 1, 1] <-> [N, C], and [N, C, H, W] -> [N, C H W].
std::optional<int64_t> reshape_spread(const Graph& graph, const Node& node) {
  const Shape &in = graph.type_of(node.inputs[0]).shape, &out = graph.type_of(node.outputs[0]).shape;
  if (in[0] != out[0] || in.rank() < 2 || out.rank() < 2) return std::nullopt;
  if (in[1] == out[1]) return 1;
  if (out.rank() == 2 && in.span_count(1, in.rank()) == out[1]) return in.span_count(2, in.rank());
  return std::nullopt;
}

}  // namespace

int64_t channel_count(const Graph& graph, ir::ValueId value) {
  const TensorType* type = value == kNoValue ? nullptr : passes::known_type(graph, value);
  return type != nullptr && type->dtype == DType::kFloat32 && type->shape.rank() >= 2 ? type->shape[1] : 0;
}

std::optional<ClipBounds> clip_bounds(const Graph& graph, const Node& node) {
  ClipBounds bounds{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  if (node.opset < kClipBoundsAreInputsSince) {
    if (node.has_attribute("min")) bounds.low = node.attr_float("min", 0.0f);
    if (node.has_attribute("max")) bounds.high = node.attr_float("max", 0.0f);
    return bounds;
  }
  for (size_t slot = 1; slot <= 2; ++slot) {
    if (passes::input_of(node, slot) == kNoValue) continue;
    const auto value = passes::scalar_constant(graph, node.inputs[slot]);
    if (!value) return std::nullopt;
    (slot == 1 ? bounds.low : bounds.high) = *value;
  }
  return bounds;
}

std::optional<ChannelStep> channel_step(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) return std::nullopt;
  if (channel_count(graph, node.inputs[0]) == 0 || channel_count(graph, node.outputs[0]) == 0) return std::nullopt;
  if (graph.is_constant(node.inputs[0]) && !passes::is_op(node, "Add")) return std::nullopt;
  ChannelStep step{.inputs = {node.inputs[0]}, .output = node.outputs[0]};
  static const std::set<std::string, std::less<>> kReshaping = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"};
  if (node.op_type == "Relu" || node.op_type == "LeakyRelu" || node.op_type == "PRelu") {
    step.op = ChannelOp::kRelu;
    step.keeps_constants = node.op_type == "Relu";
  } else if (node.op_type == "Clip") {
    const auto bounds = clip_bounds(graph, node);
    if (!bounds) return std::nullopt;
    step.op = ChannelOp::kClip;
    step.clip = *bounds;
  } else if (node.op_type == "Identity" || (node.op_type == "Dropout" && !passes::uses_extra_outputs(graph, node))) {
  } else if (is_pooling(node)) {
    step.keeps_constants = !(node.op_type == "AveragePool" && pads(node));
  } else if ((node.op_type == "Resize" || node.op_type == "Upsample") && keeps_channels_in_place(graph, node)) {
    if (node.attr_string("coordinate_transformation_mode", "") == "tf_crop_and_resize") return std::nullopt;
  } else if (node.op_type == "Pad" && keeps_channels_in_place(graph, node)) {
    if (!is_zero_pad(graph, node)) return std::nullopt;
    step.keeps_constants = false;
  } else if (kReshaping.contains(node.op_type)) {
    const auto spread = reshape_spread(graph, node);
    if (!spread) return std::nullopt;
    step.spread = *spread;
  } else if (node.op_type == "Add" && !graph.is_constant(node.inputs[0]) && !graph.is_constant(node.inputs[1])) {
    if (!same_shape(graph, node.inputs[0], node.inputs[1])) return std::nullopt;
    step.op = ChannelOp::kAdd;
    step.inputs = {node.inputs[0], node.inputs[1]};
  } else if (node.op_type == "Concat") {
    const auto rank = static_cast<int64_t>(graph.type_of(node.outputs[0]).shape.rank());
    const int64_t axis = node.attr_int("axis", 1);
    if ((axis + rank) % rank != 1) return std::nullopt;
    step.op = ChannelOp::kConcat;
    step.inputs = node.inputs;
  } else {
    return std::nullopt;
  }
  return step;
}

}  // namespace qtool::optimize
