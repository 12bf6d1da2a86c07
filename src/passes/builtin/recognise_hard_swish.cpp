// Names the hard swish that is spelled out.
// BEFORE   x * Clip(x + 3, 0, 6) / 6 in any order; x * HardSigmoid(x, alpha = 1 / 6, beta = 0.5)        AFTER   x -> HardSwish -> y
// REQUIRES scalar constants; inner results have no other reader; x has the type of y
// FORMULA  -
// SOURCE   Howard et al. 2019, "Searching for MobileNetV3", section 5.2; ONNX operator HardSwish (opset 14)
#include <cmath>

#include "clamp.h"
#include "product.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

bool is_clamped_sum_of(const Graph& graph, ValueId gate, ValueId x) {
  const auto clamp = single_clamp(graph, gate);
  if (!clamp || clamp->low != 0.0 || clamp->high != 6.0) return false;
  const Node* sum = single_producer_of(graph, clamp->input, "Add");
  const auto operand = sum != nullptr ? scalar_operand(graph, *sum) : std::nullopt;
  return operand && operand->other == x && operand->scalar == 3.0;
}

bool is_hard_sigmoid_of(const Graph& graph, ValueId gate, ValueId x) {
  const Node* node = single_producer_of(graph, gate, "HardSigmoid");
  return node != nullptr && node->inputs[0] == x && std::abs(node->attr_float("alpha", 0.2f) - 1.0 / 6.0) < 1e-6 &&
         std::abs(node->attr_float("beta", 0.5f) - 0.5) < 1e-6;
}

bool recognise(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const auto product = as_product(graph, graph.node(id));
  if (!product) return false;
  const ValueId output = graph.node(id).outputs[0];
  ValueId source = ir::kNoValue;
  const auto with = [&](auto is_gate) {
    return [&, is_gate](ValueId x, ValueId gate) {
      source = x;
      return same_known_type(graph, x, output) && is_gate(graph, gate, x);
    };
  };
  if (!is_pair(*product, 1.0 / 6.0, with(is_clamped_sum_of)) && !is_pair(*product, 1.0, with(is_hard_sigmoid_of))) return false;
  replace_producer(graph, output, {.op_type = "HardSwish", .first_opset = 14, .inputs = {source}});
  return true;
}

}  // namespace

void register_recognise_hard_swish(Registry& registry) {
  registry.add_rewrite({.name = "recognise_hard_swish",
                        .summary = "Names a HardSwish that is spelled out.",
                        .category = PassCategory::kCleanup,
                        .order = 44},
                       recognise);
}

}  // namespace qtool::passes
