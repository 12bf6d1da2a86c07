// Names the Gaussian error linear unit that is spelled out.
// BEFORE   0.5 * x * (1 + Erf(x / sqrt 2)), factors in any order, / sqrt 2 or * 1 / sqrt 2     AFTER   x -> Gelu -> y
//          0.5 * x * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))                           AFTER   x -> Gelu(tanh) -> y
// REQUIRES constants are scalars within 1e-5 of these numbers; inner results have no other reader; x has the type of y
// FORMULA  -
// SOURCE   ONNX operator Gelu (opset 20)
#include <algorithm>
#include <cmath>
#include <numbers>

#include "product.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

// The other operand of an Add of `scalar` that only this pattern reads; kNoValue otherwise.
ValueId shifted_by(const Graph& graph, ValueId value, double scalar) {
  const Node* add = single_producer_of(graph, value, "Add");
  if (add == nullptr) return ir::kNoValue;
  const auto operand = scalar_operand(graph, *add);
  return operand && is_scalar(graph, add->inputs[add->inputs[0] == operand->other ? 1 : 0], scalar) ? operand->other : ir::kNoValue;
}

// The argument of a function read by this pattern alone, as a product.
std::optional<Product> argument_product(const Graph& graph, ValueId value, std::string_view function) {
  const Node* node = single_producer_of(graph, value, function);
  if (node == nullptr || graph.single_user(node->inputs[0]) == ir::kNoNode) return std::nullopt;
  const ir::NodeId inner = graph.producer(node->inputs[0]);
  return inner == ir::kNoNode ? std::nullopt : as_product(graph, graph.node(inner));
}

bool near(double found, double expected) { return std::abs(found - expected) <= 1e-5 * expected; }

bool is_erf_of(const Graph& graph, ValueId value, ValueId x) {
  const auto product = argument_product(graph, value, "Erf");
  return product && product->factors == std::vector{x} && near(product->scale, 1.0 / std::numbers::sqrt2);
}

bool is_scaled_cube(const Graph& graph, ValueId value, ValueId x) {
  const ir::NodeId id = graph.producer(value);
  if (id == ir::kNoNode || graph.single_user(value) == ir::kNoNode) return false;
  const auto product = as_product(graph, graph.node(id));
  if (!product || !near(product->scale, 0.044715)) return false;
  if (product->factors == std::vector{x, x, x}) return true;
  if (product->factors.size() == 2) {  // x * (x^2), the square by Pow
    const auto is_square = [&](ValueId factor) {
      const Node* power = single_producer_of(graph, factor, "Pow");
      return power != nullptr && power->inputs[0] == x && is_scalar(graph, power->inputs[1], 2.0);
    };
    return (product->factors[0] == x && is_square(product->factors[1])) ||
           (product->factors[1] == x && is_square(product->factors[0]));
  }
  const Node* power = product->factors.size() == 1 ? single_producer_of(graph, product->factors[0], "Pow") : nullptr;
  return power != nullptr && power->inputs[0] == x && is_scalar(graph, power->inputs[1], 3.0);
}

bool is_tanh_of(const Graph& graph, ValueId value, ValueId x) {
  const auto product = argument_product(graph, value, "Tanh");
  constexpr double kSqrtTwoOverPi = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  if (!product || product->factors.size() != 1 || !near(product->scale, kSqrtTwoOverPi)) return false;
  const Node* sum = single_producer_of(graph, product->factors[0], "Add");
  if (sum == nullptr) return false;
  return (sum->inputs[0] == x && is_scaled_cube(graph, sum->inputs[1], x)) ||
         (sum->inputs[1] == x && is_scaled_cube(graph, sum->inputs[0], x));
}

bool recognise(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& root = graph.node(id);
  const auto product = as_product(graph, root);
  if (!product) return false;
  const ValueId output = root.outputs[0];
  ValueId source = ir::kNoValue;
  bool tanh = false;
  const bool found = is_pair(*product, 0.5, [&](ValueId x, ValueId gate) {
    const ValueId function = shifted_by(graph, gate, 1.0);
    if (function == ir::kNoValue || !same_known_type(graph, x, output)) return false;
    tanh = is_tanh_of(graph, function, x);
    source = x;
    return tanh || is_erf_of(graph, function, x);
  });
  if (!found) return false;
  replace_producer(graph, output, {.op_type = "Gelu",
                                   .first_opset = 20,
                                   .inputs = {source},
                                   .attributes = {{"approximate", std::string(tanh ? "tanh" : "none")}}});
  return true;
}

}  // namespace

void register_recognise_gelu(Registry& registry) {
  registry.add_rewrite({.name = "recognise_gelu",
                        .summary = "Names a Gelu that is spelled out with Erf or Tanh.",
                        .category = PassCategory::kCleanup,
                        .order = 40},
                       recognise);
}

}  // namespace qtool::passes
