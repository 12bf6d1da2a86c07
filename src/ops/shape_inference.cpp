#include "qtool/ops/shape_inference.h"

#include <algorithm>

#include "legacy_broadcast.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

struct NodeInputs {
  std::vector<const TensorType*> types;
  std::vector<const Tensor*> constants;
  bool all_typed = true;
  bool all_constant = true;
};

NodeInputs gather_inputs(const Graph& graph, const Node& node) {
  NodeInputs result;
  for (const ValueId id : node.inputs) {
    const bool present = id != kNoValue;
    const TensorType* type = present && graph.value(id).type ? &*graph.value(id).type : nullptr;
    result.types.push_back(type);
    result.constants.push_back(graph.constant(id));
    if (present && type == nullptr) result.all_typed = false;
    if (present && result.constants.back() == nullptr) result.all_constant = false;
  }
  return result;
}

bool has_subgraph(const Node& node) {
  return std::any_of(node.attributes.begin(), node.attributes.end(), [](const auto& pair) {
    return std::holds_alternative<std::shared_ptr<Graph>>(pair.second);
  });
}

// On constants these say more than their result: the grid that the values lie on.
bool carries_grid(const Node& node) {
  return node.domain.empty() && (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear");
}

bool small_enough(const InferredTypes& types, const NodeInputs& inputs, int64_t limit) {
  int64_t input_elements = 0;
  for (const Tensor* constant : inputs.constants) {
    if (constant != nullptr) input_elements += constant->element_count();
  }
  return std::all_of(types.begin(), types.end(), [&](const auto& type) {
    return !type || type->shape.element_count() <= std::max(limit, input_elements);
  });
}

void become_constants(Graph& graph, NodeId id, std::vector<Tensor> results) {
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  graph.erase_node(id);
  for (size_t i = 0; i < outputs.size() && i < results.size(); ++i) {
    if (outputs[i] == kNoValue) continue;
    graph.value(outputs[i]).type = results[i].type();
    graph.value(outputs[i]).constant = std::move(results[i]);
  }
}

void settle_node(Graph& graph, NodeId id, const Registry& registry, const ShapeInferenceOptions& options) {
  const Node& node = graph.node(id);
  const OpDef& def = registry.at(node);
  const NodeInputs inputs = gather_inputs(graph, node);
  if (!inputs.all_typed) return;  // the executor settles these at run time

  const InferContext context(node, inputs.types, inputs.constants);
  if (options.fold_constants && def.fold_types) {
    std::vector<Tensor> known = def.fold_types(context);
    if (!known.empty()) return become_constants(graph, id, std::move(known));
  }
  const bool foldable = options.fold_constants && inputs.all_constant && def.deterministic && def.evaluate &&
                        (options.fold_grids || !carries_grid(node)) && !has_subgraph(node);
  InferredTypes types = infer_node(def, context);
  if (foldable && small_enough(types, inputs, options.max_folded_elements)) {
    return become_constants(graph, id, evaluate_node(def, EvalContext(node, inputs.constants)));
  }
  for (size_t i = 0; i < node.outputs.size() && i < types.size(); ++i) {
    if (node.outputs[i] != kNoValue) graph.value(node.outputs[i]).type = types[i];
  }
}

}  // namespace

std::vector<std::string> unsupported_nodes(const Graph& graph, const Registry& registry) {
  std::vector<std::string> lines;
  for (const NodeId id : graph.node_ids()) {
    const Node& node = graph.node(id);
    const OpDef* def = registry.find(node.domain, node.op_type);
    const std::string text = node.domain.empty() ? node.text() : format("{}.{}", node.domain, node.text());
    if (def == nullptr) lines.push_back(text);
    else if (node.opset < def->first_opset) lines.push_back(format("{} (of operator set {}, known since {})", text, node.opset, def->first_opset));
  }
  return lines;
}

void infer_shapes(Graph& graph, const Registry& registry, const ShapeInferenceOptions& options) {
  for (const NodeId id : graph.topological_order()) {
    const NodeId inserted = align_legacy_operand(graph, id);
    if (inserted != ir::kNoNode) settle_node(graph, inserted, registry, options);
    settle_node(graph, id, registry, options);
  }
}

}  // namespace qtool::ops
