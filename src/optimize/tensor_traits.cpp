#include "tensor_traits.h"

#include <algorithm>

#include "learned_layers.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

bool is_activation_value(const Graph& graph, ValueId id) {
  return id != ir::kNoValue && !graph.is_constant(id) && graph.value(id).type && graph.value(id).type->dtype == DType::kFloat32;
}

double elements(const Graph& graph, ValueId id) {
  return id == ir::kNoValue || !graph.value(id).type ? 0.0 : static_cast<double>(graph.value(id).type->shape.element_count());
}

double work_of(const Graph& graph, const Node& node) {
  constexpr double kElementWise = 16.0;  // an element read and written costs about as much as this many multiplications
  const double out = elements(graph, node.outputs[0]);
  const double moved = kElementWise * out;
  if (node.inputs.size() < 2) return moved;
  if (node.inputs[1] == ir::kNoValue) return moved;
  const ir::Value& second = graph.value(node.inputs[1]);
  if (!second.type || second.type->shape.rank() < 2) return moved;
  const Shape& weight = second.type->shape;
  if (node.op_type == "Conv") return moved + out * static_cast<double>(weight.element_count()) / static_cast<double>(weight[0]);
  if (node.op_type == "ConvTranspose") {
    return moved + elements(graph, node.inputs[0]) * static_cast<double>(weight.element_count()) / static_cast<double>(weight[0]);
  }
  if (node.op_type == "MatMul" || node.op_type == "Gemm") {
    const Shape& left = graph.type_of(node.inputs[0]).shape;
    return moved + out * static_cast<double>(left[left.rank() - 1]);
  }
  return moved;
}

}  // namespace

bool feeds_only_sigmoids(const Graph& graph, ValueId id) {
  const ir::Value& value = graph.value(id);
  if (value.uses.empty() || graph.is_output(id)) return false;
  return std::all_of(value.uses.begin(), value.uses.end(), [&](ir::NodeId user) {
    const Node& node = graph.node(user);
    if (node.op_type == "Sigmoid" && node.domain.empty()) return true;
    if (!joins_or_moves(node)) return false;
    return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) { return output == ir::kNoValue || feeds_only_sigmoids(graph, output); });
  });
}

bool is_own_gate(const ir::Graph& graph, ir::ValueId id) {
  const ir::NodeId producer = graph.producer(id);
  if (producer == ir::kNoNode || graph.node(producer).op_type != "Sigmoid") return false;
  const ir::ValueId source = graph.node(producer).inputs[0];
  return std::ranges::any_of(graph.value(id).uses, [&](ir::NodeId user) {
    const ir::Node& node = graph.node(user);
    return node.op_type == "Mul" && std::ranges::count(node.inputs, source) > 0;
  });
}

bool is_residual_stream(const Graph& graph, ValueId id) {
  const ir::NodeId producer = graph.producer(id);
  if (producer == ir::kNoNode) return false;
  const Node& node = graph.node(producer);
  if (node.op_type == "LayerNormalization") return true;
  if (node.op_type != "Add" || graph.is_constant(node.inputs[0]) || graph.is_constant(node.inputs[1])) return false;
  const auto nodes = graph.node_ids();
  return std::any_of(nodes.begin(), nodes.end(), [&](ir::NodeId other) { return graph.node(other).op_type == "LayerNormalization"; });
}

std::set<ValueId> decision_values(const Graph& graph) {
  std::set<ValueId> seen;
  std::vector<ValueId> open(graph.outputs.begin(), graph.outputs.end());
  while (!open.empty()) {
    const ValueId id = open.back();
    open.pop_back();
    if (id == ir::kNoValue || graph.producer(id) == ir::kNoNode || !seen.insert(id).second) continue;
    const Node& node = graph.node(graph.producer(id));
    if (!is_learned(graph, node)) open.insert(open.end(), node.inputs.begin(), node.inputs.end());
  }
  return seen;
}

std::vector<ValueId> grid_members(const model::ModelState& state, ValueId leader) {
  std::vector<ValueId> members;
  const auto follows = [&](ValueId id) {
    const model::TensorPlan* plan = state.plan.find(id);
    return plan != nullptr && plan->role == model::TensorRole::kActivation && plan->leader == leader && is_activation_value(state.graph, id);
  };
  for (const auto& [id, plan] : state.plan.tensors) {
    if (!follows(id)) continue;
    const ir::NodeId producer = state.graph.producer(id);
    const bool copy = id != leader && producer != ir::kNoNode && moves_data(state.graph.node(producer)) &&
                      follows(state.graph.node(producer).inputs[0]);
    if (!copy) members.push_back(id);
  }
  return members;
}

double suffix_work(const Graph& graph, ValueId id) {
  double work = 0.0;
  std::set<ir::NodeId> seen;
  std::vector<ValueId> open = {id};
  while (!open.empty()) {
    const ValueId value = open.back();
    open.pop_back();
    for (const ir::NodeId user : graph.value(value).uses) {
      if (!seen.insert(user).second) continue;
      const Node& node = graph.node(user);
      work += work_of(graph, node);
      for (const ValueId output : node.outputs) {
        if (output != ir::kNoValue) open.push_back(output);
      }
    }
  }
  return work;
}

}  // namespace qtool::optimize
