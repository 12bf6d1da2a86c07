#include "qtool/optimize/layer.h"

#include <algorithm>
#include <cmath>

#include "qtool/passes/linear_layer.h"
#include "qtool/passes/rewrite.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr size_t kWeightSlot = 1, kBiasSlot = 2;

bool is_matrix_product(const Node& node) { return passes::is_op(node, "Gemm") || passes::is_op(node, "MatMul"); }

int64_t groups_of(const Node& node) { return std::max<int64_t>(node.attr_int("group", 1), 1); }

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// The Add of a constant, one number a channel, behind a matrix product over more than two axes.
struct FollowingBias {
  NodeId add = kNoNode;
  size_t slot = 0;
  std::vector<double> values;
};

std::optional<FollowingBias> following_bias(const Graph& graph, const Layer& layer) {
  const NodeId user = graph.single_user(layer.output);
  if (user == kNoNode || !passes::is_op(graph.node(user), "Add")) return std::nullopt;
  const Node& add = graph.node(user);
  const size_t slot = add.inputs[0] == layer.output ? 1 : 0;
  const Tensor* constant = passes::constant_input(graph, add, slot);
  const TensorType* type = passes::known_type(graph, layer.output);
  if (constant == nullptr || constant->dtype() != DType::kFloat32 || type == nullptr) return std::nullopt;
  auto values = passes::per_channel_constant(*constant, type->shape, layer.channel_axis);
  if (!values || constant->element_count() != layer.out_channels) return std::nullopt;
  return FollowingBias{user, slot, std::move(*values)};
}

}  // namespace

std::optional<Layer> layer_of(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const bool convolution = passes::is_op(node, "Conv") || passes::is_op(node, "ConvTranspose");
  if (!convolution && !is_matrix_product(node)) return std::nullopt;
  const Tensor* weight = passes::constant_input(graph, node, kWeightSlot);
  const TensorType *in = passes::known_type(graph, node.inputs[0]), *out = passes::known_type(graph, node.outputs[0]);
  if (weight == nullptr || weight->dtype() != DType::kFloat32 || weight->empty() || graph.is_constant(node.inputs[0])) return std::nullopt;
  if (in == nullptr || out == nullptr || in->dtype != DType::kFloat32 || in->shape.rank() < 2) return std::nullopt;
  Layer layer{.node = id, .input = node.inputs[0], .output = node.outputs[0], .weight = node.inputs[kWeightSlot]};
  if (convolution) {
    if (in->shape.rank() < 3) return std::nullopt;
    layer.taps = weight->shape().span_count(2, weight->shape().rank());
  } else {
    if (weight->shape().rank() != 2 || node.attr_int("transA", 0) != 0) return std::nullopt;
    layer.channel_axis = in->shape.rank() - 1;
  }
  layer.in_channels = in->shape[layer.channel_axis];
  layer.out_channels = out->shape[layer.channel_axis];
  return layer;
}

std::vector<Layer> layers_of(const Graph& graph) {
  std::vector<Layer> layers;
  for (const NodeId id : graph.topological_order()) {
    if (auto layer = layer_of(graph, id)) layers.push_back(*layer);
  }
  return layers;
}

WeightIndex::WeightIndex(const Graph& graph, const Layer& layer) : taps_(layer.taps) {
  const Node& node = graph.node(layer.node);
  const Shape& shape = graph.constant(layer.weight)->shape();
  first_ = shape[0];
  second_ = shape[1];
  first_is_output_ = node.op_type == "Conv" || (node.op_type == "Gemm" && node.attr_int("transB", 0) != 0);
  group_first_ = std::max<int64_t>(first_ / (is_matrix_product(node) ? 1 : groups_of(node)), 1);
}

WeightPlace WeightIndex::at(int64_t flat) const {
  const int64_t first = flat / (second_ * taps_), second = flat / taps_ % second_ + first / group_first_ * second_;
  const int64_t tap = flat % taps_;
  return first_is_output_ ? WeightPlace{first, second, tap} : WeightPlace{second, first, tap};
}

bool rescale_layer(Graph& graph, const Layer& layer, std::span<const double> in, std::span<const double> out) {
  Tensor scaled = graph.constant(layer.weight)->clone();
  const auto values = scaled.mutable_data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    double factor = in.empty() ? 1.0 : in[static_cast<size_t>(place.in)];
    if (!out.empty()) factor /= out[static_cast<size_t>(place.out)];
    float& value = values[static_cast<size_t>(flat)];
    value = static_cast<float>(value * factor);
  });
  if (!all_finite(values)) return false;
  const std::string stem = graph.node(layer.node).name;
  if (!out.empty() && passes::input_of(graph.node(layer.node), kBiasSlot) != kNoValue) {
    auto bias = bias_of(graph, layer);
    if (!bias) return false;
    Tensor divided(DType::kFloat32, Shape{layer.out_channels});
    const auto target = divided.mutable_data<float>();
    for (size_t c = 0; c < target.size(); ++c) target[c] = static_cast<float>((*bias)[c] / out[c]);
    if (!all_finite(target)) return false;
    passes::set_own_constant(graph, layer.node, kBiasSlot, std::move(divided), stem + ".bias");
    graph.node(layer.node).attributes.erase("beta");  // bias_of has multiplied it in
  }
  passes::set_own_constant(graph, layer.node, kWeightSlot, std::move(scaled), stem + ".weight");
  return true;
}

std::optional<std::vector<double>> bias_of(const Graph& graph, const Layer& layer) {
  const Node& node = graph.node(layer.node);
  if (passes::input_of(node, kBiasSlot) == kNoValue) return std::vector<double>(static_cast<size_t>(layer.out_channels), 0.0);
  const Tensor* constant = passes::constant_input(graph, node, kBiasSlot);
  if (constant == nullptr || constant->dtype() != DType::kFloat32) return std::nullopt;
  auto bias = passes::per_channel_constant(*constant, Shape{1, layer.out_channels}, 1);
  if (bias && bias->size() == 1) bias->assign(static_cast<size_t>(layer.out_channels), bias->front());
  if (bias && node.op_type == "Gemm") {
    for (double& value : *bias) value *= node.attr_float("beta", 1.0f);
  }
  return bias;
}

bool shift_output(Graph& graph, const Layer& layer, std::span<const double> shift) {
  const Node& node = graph.node(layer.node);
  if (node.op_type == "MatMul" && layer.channel_axis != 1) {
    const auto following = following_bias(graph, layer);
    if (!following) return false;
    Tensor changed = graph.constant(graph.node(following->add).inputs[following->slot])->clone();
    const auto values = changed.mutable_data<float>();
    for (size_t c = 0; c < values.size(); ++c) values[c] = static_cast<float>(values[c] + shift[c]);
    if (!all_finite(values)) return false;
    passes::set_own_constant(graph, following->add, following->slot, std::move(changed), node.name + ".bias");
    return true;
  }
  if (!bias_of(graph, layer)) return false;
  passes::ChannelAffine affine{.scale = std::vector<double>(shift.size(), 1.0), .shift = {shift.begin(), shift.end()}};
  return passes::fold_output_affine(graph, layer.node, affine);
}

void zero_weights(Graph& graph, const Layer& layer, const ZeroedChannels& zeroed) {
  const WeightIndex index(graph, layer);
  const auto is_zeroed = [](const std::vector<bool>& channels, int64_t c) { return !channels.empty() && channels[static_cast<size_t>(c)]; };
  Tensor changed = graph.constant(layer.weight)->clone();
  const auto values = changed.mutable_data<float>();
  index.for_each([&](int64_t flat, const WeightPlace& place) {
    if (is_zeroed(zeroed.out, place.out) || is_zeroed(zeroed.in, place.in)) values[static_cast<size_t>(flat)] = 0.0f;
  });
  passes::set_own_constant(graph, layer.node, kWeightSlot, std::move(changed), graph.node(layer.node).name + ".weight");
}

}  // namespace qtool::optimize
