// Names the hard sigmoid that is spelled out.
// BEFORE   Clip(x + a, 0, h) / h, or * 1 / h; Relu and Min(h) instead of Clip        AFTER   HardSigmoid(alpha = 1 / h, beta = a / h)
// REQUIRES scalar constants; inner results have no other reader; x has the type of y
// FORMULA  clip(x + a, 0, h) / h = clip(x / h + a / h, 0, 1)
// SOURCE   Howard et al. 2019, "Searching for MobileNetV3", section 5.2 (a = 3, h = 6)
#include <cmath>

#include "clamp.h"
#include "product.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

bool recognise(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& root = graph.node(id);
  const auto product = as_product(graph, root);
  if (!product || product->factors.size() != 1) return false;
  const auto clamp = single_clamp(graph, product->factors[0]);
  if (!clamp || clamp->low != 0.0 || std::abs(clamp->high * product->scale - 1.0) > 1e-5) return false;
  const ir::Node* sum = single_producer_of(graph, clamp->input, "Add");
  const auto operand = sum != nullptr ? scalar_operand(graph, *sum) : std::nullopt;
  const ir::ValueId output = root.outputs[0];
  if (!operand || !same_known_type(graph, operand->other, output)) return false;
  replace_producer(graph, output,
                   {.op_type = "HardSigmoid",
                    .first_opset = 6,
                    .inputs = {operand->other},
                    .attributes = {{"alpha", static_cast<float>(product->scale)},
                                   {"beta", static_cast<float>(operand->scalar * product->scale)}}});
  return true;
}

}  // namespace

void register_recognise_hard_sigmoid(Registry& registry) {
  registry.add_rewrite({.name = "recognise_hard_sigmoid",
                        .summary = "Names a HardSigmoid that is spelled out with Add, Clip and Div.",
                        .category = PassCategory::kCleanup,
                        .order = 42},
                       recognise);
}

}  // namespace qtool::passes
