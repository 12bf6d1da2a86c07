#include "qtool/passes/rewrite.h"

#include <algorithm>
#include <cmath>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::passes {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool is_op(const Node& node, std::string_view op_type) { return node.op_type == op_type && node.domain.empty(); }

ValueId input_of(const Node& node, size_t slot) { return slot < node.inputs.size() ? node.inputs[slot] : kNoValue; }

const Tensor* constant_input(const Graph& graph, const Node& node, size_t slot) {
  return graph.constant(input_of(node, slot));
}

const Node* producer_of(const Graph& graph, ValueId value, std::string_view op_type) {
  const NodeId id = graph.producer(value);
  if (id == kNoNode) return nullptr;
  const Node& node = graph.node(id);
  return is_op(node, op_type) && node.outputs[0] == value ? &node : nullptr;
}

const Node* single_producer_of(const Graph& graph, ValueId value, std::string_view op_type) {
  const Node* node = producer_of(graph, value, op_type);
  return node != nullptr && graph.single_user(value) != kNoNode ? node : nullptr;
}

bool uses_extra_outputs(const Graph& graph, const Node& node) {
  return std::any_of(node.outputs.begin() + 1, node.outputs.end(), [&](ValueId id) {
    return id != kNoValue && (!graph.value(id).uses.empty() || graph.is_output(id));
  });
}

const TensorType* known_type(const Graph& graph, ValueId value) {
  return value != kNoValue && graph.value(value).type ? &*graph.value(value).type : nullptr;
}

bool same_known_type(const Graph& graph, ValueId a, ValueId b) {
  const TensorType *first = known_type(graph, a), *second = known_type(graph, b);
  return first != nullptr && second != nullptr && *first == *second;
}

std::optional<double> scalar_constant(const Graph& graph, ValueId value) {
  const Tensor* tensor = graph.constant(value);
  if (tensor == nullptr || tensor->element_count() != 1 || !is_floating(tensor->dtype())) return std::nullopt;
  return tensor->cast(DType::kFloat64).data<double>()[0];
}

bool is_scalar(const Graph& graph, ValueId value, double expected) {
  constexpr double kRelativeTolerance = 1e-5;
  const auto found = scalar_constant(graph, value);
  return found && std::abs(*found - expected) <= kRelativeTolerance * std::abs(expected);
}

std::optional<ScalarOperand> scalar_operand(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  for (size_t slot = 0; slot < 2; ++slot) {
    if (const auto scalar = scalar_constant(graph, node.inputs[slot])) {
      return ScalarOperand{*scalar, node.inputs[1 - slot]};
    }
  }
  return std::nullopt;
}

bool int_list_absent(const Node& node, std::string_view attribute, size_t slot, int64_t input_since) {
  return node.opset >= input_since ? input_of(node, slot) == kNoValue : !node.has_attribute(attribute);
}

std::optional<std::vector<int64_t>> int_list(const Graph& graph, const Node& node, std::string_view attribute,
                                             size_t slot, int64_t input_since) {
  if (int_list_absent(node, attribute, slot, input_since)) return std::nullopt;
  if (node.opset < input_since) return node.attr_ints(attribute);
  const Tensor* constant = constant_input(graph, node, slot);
  if (constant == nullptr) return std::nullopt;
  return constant->to_int64();
}

std::optional<std::vector<double>> per_channel_constant(const Tensor& operand, const Shape& result, size_t axis) {
  const Shape& shape = operand.shape();
  if (!is_floating(operand.dtype()) || shape.rank() > result.rank() || axis >= result.rank()) return std::nullopt;
  const size_t missing = result.rank() - shape.rank();
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] != 1 && (i + missing != axis || shape[i] != result[axis])) return std::nullopt;
  }
  const Tensor wide = operand.cast(DType::kFloat64);
  const auto values = wide.data<double>();
  std::vector<double> channels(static_cast<size_t>(result[axis]));
  for (size_t i = 0; i < channels.size(); ++i) channels[i] = values.size() == 1 ? values[0] : values[i];
  return channels;
}

void prune(Graph& graph, ValueId value) {
  if (value == kNoValue) return;
  const NodeId id = graph.producer(value);
  if (id == kNoNode) return;
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  for (const ValueId output : outputs) {
    if (output != kNoValue && (!graph.value(output).uses.empty() || graph.is_output(output))) return;
  }
  const std::vector<ValueId> inputs = graph.node(id).inputs;
  graph.erase_node(id);
  for (const ValueId input : inputs) prune(graph, input);
}

void take_output(model::ModelState& state, NodeId node, ValueId value) {
  Graph& graph = state.graph;
  const ValueId before = graph.node(node).outputs[0];
  const NodeId former = graph.producer(value);
  QTOOL_CHECK(former != kNoNode && former != node);
  graph.erase_node(former);
  graph.set_output(node, 0, value);
  if (const auto known = state.folded_batch_norms.extract(before)) {
    state.folded_batch_norms.insert_or_assign(value, known.mapped());
  }
}

NodeId replace_producer(Graph& graph, ValueId value, Replacement replacement) {
  const NodeId former = graph.producer(value);
  QTOOL_CHECK(former != kNoNode);
  Node node{.name = graph.node(former).name,
            .op_type = std::string(replacement.op_type),
            .opset = std::max(graph.node(former).opset, replacement.first_opset),
            .inputs = std::move(replacement.inputs),
            .outputs = {value},
            .attributes = std::move(replacement.attributes)};
  const std::vector<ValueId> former_inputs = graph.node(former).inputs;
  graph.erase_node(former);
  const NodeId id = graph.add_node(std::move(node));
  for (const ValueId input : former_inputs) prune(graph, input);
  return id;
}

bool redirect(Graph& graph, ValueId from, ValueId to) {
  const NodeId former = graph.producer(from);
  QTOOL_CHECK(former != kNoNode && from != to);
  if (!graph.is_output(from)) {
    graph.replace_all_uses(from, to);
  } else {
    if (graph.producer(to) == kNoNode || graph.is_output(to)) return false;
    graph.replace_all_uses(from, to);
    const std::string name = graph.value(from).name;
    graph.rename_value(from, graph.unique_name(name + ".replaced"));
    graph.rename_value(to, name);
  }
  prune(graph, from);
  return true;
}

Tensor int_tensor(std::span<const int64_t> values) {
  return Tensor::from<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

ValueId add_constant(Graph& graph, std::string_view stem, Tensor tensor) {
  return graph.add_constant(graph.unique_name(stem), std::move(tensor));
}

ValueId own_constant(Graph& graph, ValueId original, Tensor tensor, std::string_view stem) {
  if (!graph.is_constant(original) || graph.value(original).uses.size() > 1 || graph.is_output(original)) {
    return add_constant(graph, stem, std::move(tensor));
  }
  graph.value(original).type = tensor.type();
  graph.value(original).constant = std::move(tensor);
  return original;
}

ValueId set_own_constant(Graph& graph, NodeId node, size_t slot, Tensor tensor, std::string_view stem) {
  const ValueId before = input_of(graph.node(node), slot);
  const ValueId own = own_constant(graph, before, std::move(tensor), stem);
  if (own != before) graph.set_input(node, slot, own);
  return own;
}

}  // namespace qtool::passes
