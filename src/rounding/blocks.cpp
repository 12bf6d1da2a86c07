#include "blocks.h"

#include <map>
#include <set>

#include "activation.h"

namespace qtool::rounding {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool is_linear(const Node& node) {
  return node.domain.empty() && (node.op_type == "Conv" || node.op_type == "ConvTranspose" || node.op_type == "Gemm" || node.op_type == "MatMul");
}

bool joins_branches(const Graph& graph, const Node& node) {
  return node.op_type == "Add" && !graph.is_constant(node.inputs[0]) && !graph.is_constant(node.inputs[1]);
}

bool has_activation(const Graph& graph, ValueId value) { return activation_after(graph, value).kind != Activation::Kind::kNone; }

bool ends_block(const Graph& graph, const Node& node) {
  const ValueId output = node.outputs[0];
  if (graph.is_output(output)) return true;
  if (joins_branches(graph, node) || is_linear(node)) return !has_activation(graph, output);
  // The activation of a sum.
  const NodeId before = graph.producer(node.inputs.empty() ? kNoValue : node.inputs[0]);
  return before != kNoNode && joins_branches(graph, graph.node(before)) && has_activation(graph, node.inputs[0]);
}

}  // namespace

std::vector<ValueId> find_block_ends(const Graph& graph) {
  const std::vector<NodeId> order = graph.topological_order();
  std::map<ValueId, size_t> uses_left;
  for (const NodeId id : order) {
    for (const ValueId input : graph.node(id).inputs) {
      if (input != kNoValue && !graph.is_constant(input)) ++uses_left[input];
    }
  }
  for (const ValueId output : graph.outputs) ++uses_left[output];
  std::set<ValueId> alive(graph.inputs.begin(), graph.inputs.end());
  std::vector<ValueId> ends;
  for (const NodeId id : order) {
    const Node& node = graph.node(id);
    for (const ValueId input : node.inputs) {
      if (uses_left.contains(input) && --uses_left[input] == 0) alive.erase(input);
    }
    for (const ValueId output : node.outputs) {
      if (uses_left.contains(output)) alive.insert(output);
    }
    const bool alone = alive.size() == 1 && node.outputs.size() == 1 && alive.contains(node.outputs[0]);
    const bool typed = alone && graph.value(node.outputs[0]).type.has_value();
    if ((typed && ends_block(graph, node)) || (node.outputs.size() == 1 && graph.is_output(node.outputs[0]))) ends.push_back(node.outputs[0]);
  }
  return ends;
}

}  // namespace qtool::rounding
