// Names Mish that is spelled out.
// BEFORE   x * Tanh(Softplus(x)); Softplus also as Log(Exp(x) + 1)        AFTER   x -> Mish -> y
// REQUIRES inner results have no other reader
// FORMULA  -
// SOURCE   Misra 2019, "Mish: A Self Regularized Non-Monotonic Activation Function"; ONNX operator Mish (opset 18)
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

bool is_softplus_of(const Graph& graph, ValueId value, ValueId x) {
  if (const Node* node = single_producer_of(graph, value, "Softplus")) return node->inputs[0] == x;
  const Node* log = single_producer_of(graph, value, "Log");
  const Node* sum = log != nullptr ? single_producer_of(graph, log->inputs[0], "Add") : nullptr;
  const auto operand = sum != nullptr ? scalar_operand(graph, *sum) : std::nullopt;
  if (!operand || operand->scalar != 1.0) return false;
  const Node* exponential = single_producer_of(graph, operand->other, "Exp");
  return exponential != nullptr && exponential->inputs[0] == x;
}

bool is_gate_of(const Graph& graph, ValueId value, ValueId x) {
  const Node* tanh = single_producer_of(graph, value, "Tanh");
  return tanh != nullptr && is_softplus_of(graph, tanh->inputs[0], x);
}

bool recognise(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& root = graph.node(id);
  if (!is_op(root, "Mul")) return false;
  for (size_t slot = 0; slot < 2; ++slot) {
    const ValueId x = root.inputs[slot];
    if (!is_gate_of(graph, root.inputs[1 - slot], x)) continue;
    replace_producer(graph, root.outputs[0], {.op_type = "Mish", .first_opset = 18, .inputs = {x}});
    return true;
  }
  return false;
}

}  // namespace

void register_recognise_mish(Registry& registry) {
  registry.add_rewrite({.name = "recognise_mish",
                        .summary = "Names a Mish that is spelled out.",
                        .category = PassCategory::kCleanup,
                        .order = 46},
                       recognise);
}

}  // namespace qtool::passes
