#include "qtool/passes/linear_layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "qtool/passes/rewrite.h"
#include "qtool/support/error.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr size_t kWeightSlot = 1, kBiasSlot = 2;

bool is_float_constant(const Tensor* tensor) { return tensor != nullptr && tensor->dtype() == DType::kFloat32; }

// Elements [outer, channels, inner] around the channel axis of a weight whose channels lie on one axis.
template <class Visit>
void visit_axis(const Shape& shape, size_t axis, Visit&& visit) {
  const int64_t inner = shape.span_count(axis + 1, shape.rank()), length = shape[axis];
  const int64_t count = shape.element_count();
  for (int64_t i = 0; i < count; ++i) visit(i, i / inner % length);
}

// Calls visit(flat weight index, output channel).
template <class Visit>
void visit_weight(const Node& node, const Shape& shape, Visit&& visit) {
  if (node.op_type == "Conv") return visit_axis(shape, 0, visit);
  if (node.op_type == "MatMul") return visit_axis(shape, 1, visit);
  if (node.op_type == "Gemm") return visit_axis(shape, node.attr_int("transB", 0) != 0 ? 0 : 1, visit);
  // ConvTranspose: [C, M / group, spatial...]; input channel i belongs to group i / (C / group).
  const int64_t group_inputs = std::max<int64_t>(shape[0] / std::max<int64_t>(node.attr_int("group", 1), 1), 1);
  const int64_t group_outputs = shape[1], inner = shape.span_count(2, shape.rank());
  const int64_t count = shape.element_count();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t input = i / (inner * group_outputs);
    visit(i, input / group_inputs * group_outputs + i / inner % group_outputs);
  }
}

// Bias in real units of the output, as the layer applies it; nullopt: not one number a channel.
std::optional<std::vector<double>> bias_of(const Graph& graph, const Node& node, int64_t channels) {
  if (input_of(node, kBiasSlot) == kNoValue) return std::vector<double>(static_cast<size_t>(channels), 0.0);
  const Tensor* constant = constant_input(graph, node, kBiasSlot);
  if (!is_float_constant(constant)) return std::nullopt;
  auto bias = per_channel_constant(*constant, Shape{1, channels}, 1);
  if (bias && node.op_type == "Gemm") {
    for (double& value : *bias) value *= node.attr_float("beta", 1.0f);
  }
  return bias;
}

bool has_matrix_operands(const Graph& graph, const Node& node) {
  const TensorType *left = known_type(graph, input_of(node, 0)), *right = known_type(graph, input_of(node, 1));
  return left != nullptr && right != nullptr && left->shape.rank() == 2 && right->shape.rank() == 2;
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

bool all_equal(std::span<const double> values, double expected) {
  return std::all_of(values.begin(), values.end(), [=](double value) { return value == expected; });
}

// Weight and bias of the layer with `affine` behind it.
Tensor scaled_weight(const Node& node, const Tensor& weight, const ChannelAffine& affine) {
  Tensor result = weight.clone();
  const auto elements = result.mutable_data<float>();
  visit_weight(node, weight.shape(), [&](int64_t i, int64_t channel) {
    float& element = elements[static_cast<size_t>(i)];
    element = static_cast<float>(double{element} * affine.scale[static_cast<size_t>(channel)]);
  });
  return result;
}

Tensor moved_bias(std::span<const double> bias, const ChannelAffine& affine) {
  Tensor result(DType::kFloat32, Shape{static_cast<int64_t>(bias.size())});
  const auto offsets = result.mutable_data<float>();
  for (size_t c = 0; c < offsets.size(); ++c) offsets[c] = static_cast<float>(bias[c] * affine.scale[c] + affine.shift[c]);
  return result;
}

bool is_foldable(const Graph& graph, const Node& node) {
  const bool convolution = is_op(node, "Conv") || is_op(node, "ConvTranspose");
  const bool product = is_op(node, "Gemm") || is_op(node, "MatMul");
  if (!convolution && !product) return false;
  if (!is_float_constant(constant_input(graph, node, kWeightSlot)) || graph.is_constant(node.inputs[0])) return false;
  if (product && !has_matrix_operands(graph, node)) return false;
  return bias_of(graph, node, output_channels(graph, node.id)).has_value();
}

}  // namespace

int64_t output_channels(const Graph& graph, NodeId layer) {
  const Node& node = graph.node(layer);
  const Shape& shape = graph.value(node.inputs[kWeightSlot]).constant->shape();
  if (node.op_type == "Conv") return shape[0];
  if (node.op_type == "ConvTranspose") return shape[1] * std::max<int64_t>(node.attr_int("group", 1), 1);
  return node.op_type == "Gemm" && node.attr_int("transB", 0) != 0 ? shape[0] : shape[1];
}

std::optional<NodeId> foldable_producer(const Graph& graph, ValueId value) {
  const NodeId id = graph.producer(value);
  if (id == kNoNode || graph.single_user(value) == kNoNode || !is_foldable(graph, graph.node(id))) return std::nullopt;
  return id;
}

bool fold_output_affine(Graph& graph, NodeId layer, const ChannelAffine& affine) {
  const Node& node = graph.node(layer);
  const int64_t channels = output_channels(graph, layer);
  QTOOL_CHECK(affine.scale.size() == static_cast<size_t>(channels) && affine.shift.size() == affine.scale.size());
  const Tensor& weight = *graph.constant(node.inputs[kWeightSlot]);
  const auto bias = bias_of(graph, node, channels);
  QTOOL_CHECK(bias.has_value());

  const bool scaled = !all_equal(affine.scale, 1.0);
  const Tensor new_weight = scaled ? scaled_weight(node, weight, affine) : weight, new_bias = moved_bias(*bias, affine);
  if (!all_finite(new_weight.data<float>()) || !all_finite(new_bias.data<float>())) return false;
  const bool shifted = input_of(node, kBiasSlot) != kNoValue || !all_equal(affine.shift, 0.0);

  const std::string name = node.name;
  if (scaled) set_own_constant(graph, layer, kWeightSlot, new_weight, name + ".weight");
  if (shifted) {
    set_own_constant(graph, layer, kBiasSlot, new_bias, name + ".bias");
    Node& changed = graph.node(layer);
    if (changed.op_type == "MatMul") changed.op_type = "Gemm";
    changed.attributes.erase("beta");  // bias_of has multiplied it in
  }
  return true;
}

void update_folded_statistics(model::ModelState& state, ValueId value, const ChannelAffine& affine) {
  const auto at = state.folded_batch_norms.find(value);
  if (at == state.folded_batch_norms.end()) return;
  auto& [mean, deviation] = at->second;
  for (size_t c = 0; c < mean.size(); ++c) {
    mean[c] = static_cast<float>(mean[c] * affine.scale[c] + affine.shift[c]);
    deviation[c] = static_cast<float>(deviation[c] * std::abs(affine.scale[c]));
  }
}

std::optional<ChannelAffine> batch_norm_affine(const Graph& graph, const Node& node) {
  if (!is_op(node, "BatchNormalization") || uses_extra_outputs(graph, node)) return std::nullopt;
  if (node.attr_int("training_mode", 0) != 0) return std::nullopt;
  if (node.opset < 9 && node.attr_int("spatial", 1) == 0) return std::nullopt;
  std::vector<std::vector<double>> parameters;
  for (size_t slot = 1; slot <= 4; ++slot) {
    const Tensor* constant = constant_input(graph, node, slot);
    if (!is_float_constant(constant)) return std::nullopt;
    const auto values = constant->data<float>();
    parameters.emplace_back(values.begin(), values.end());
  }
  const auto &gamma = parameters[0], &beta = parameters[1], &mean = parameters[2], &variance = parameters[3];
  const double epsilon = node.attr_float("epsilon", 1e-5f);
  ChannelAffine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    affine.scale.push_back(gamma[c] / std::sqrt(variance[c] + epsilon));
    affine.shift.push_back(beta[c] - mean[c] * affine.scale[c]);
    // A variance below -epsilon, or parameters that are not numbers: the model is broken, not ours to hide.
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c])) return std::nullopt;
  }
  return affine;
}

}  // namespace qtool::passes
