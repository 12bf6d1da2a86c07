// Names the division by the length of a vector that is spelled out (cosine attention, F.normalize).
// BEFORE   x / Expand(Clip(ReduceL2(x), eps))        AFTER   x -> LpNormalization(p = 2) -> y
//          Expand, and the lower bound as Clip or Max, may be missing
// REQUIRES 1. one axis, with keepdims  2. eps at most 1e-6  3. inner results have no other reader
// FORMULA  equal wherever the length is at least eps, and for zero vectors; below eps ONNX's operator gives unit length
// SOURCE   ONNX operator LpNormalization
#include <limits>
#include <optional>

#include "clamp.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

constexpr int64_t kReduceAxesAreInputSince = 18;
constexpr double kLargestEpsilon = 1e-6;

// Without a bound from below that is no more than a guard against 0.
ValueId unguarded(const Graph& graph, ValueId length) {
  const auto clamp = single_clamp(graph, length);
  const bool guard = clamp && clamp->low >= 0.0 && clamp->low <= kLargestEpsilon && clamp->high == std::numeric_limits<double>::infinity();
  return guard ? clamp->input : length;
}

std::optional<int64_t> single_axis(const Graph& graph, const Node& reduce) {
  const auto axes = int_list(graph, reduce, "axes", 1, kReduceAxesAreInputSince);
  if (!axes || axes->size() != 1 || reduce.attr_int("keepdims", 1) == 0) return std::nullopt;
  return axes->front();
}

bool recognise(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& quotient = graph.node(id);
  if (!is_op(quotient, "Div")) return false;
  const ValueId source = quotient.inputs[0], output = quotient.outputs[0];
  const TensorType* type = known_type(graph, source);
  if (type == nullptr || type->dtype != DType::kFloat32 || !same_known_type(graph, source, output)) return false;
  ValueId length = quotient.inputs[1];
  if (const Node* expand = single_producer_of(graph, length, "Expand")) length = expand->inputs[0];
  const Node* reduce = single_producer_of(graph, unguarded(graph, length), "ReduceL2");
  if (reduce == nullptr || reduce->inputs[0] != source) return false;
  const auto axis = single_axis(graph, *reduce);
  if (!axis) return false;
  replace_producer(graph, output, {.op_type = "LpNormalization",
                                   .inputs = {source},
                                   .attributes = {{"axis", static_cast<int64_t>(type->shape.normalize_axis(*axis))}, {"p", int64_t{2}}}});
  return true;
}

}  // namespace

void register_recognise_lp_normalization(Registry& registry) {
  registry.add_rewrite({.name = "recognise_lp_normalization",
                        .summary = "Names the division by the L2 norm that is spelled out.",
                        .category = PassCategory::kCleanup,
                        .order = 45},
                       recognise);
}

}  // namespace qtool::passes
