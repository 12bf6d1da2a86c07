// Joins limits in a row, and writes what is a Relu as a Relu.
// BEFORE   x -> Relu -> Clip(0, 6) -> y;  x -> Relu -> Min(6) -> y        AFTER   x -> Clip(0, 6) -> y
//          x -> Clip(0, none) -> y;  x -> Max(0) -> y                     AFTER   x -> Relu -> y
// REQUIRES the bounds are constants with low <= high, the input is float32, the first node has no other reader
// FORMULA  clamp(clamp(x, l1, h1), l2, h2) = clamp(x, clamp(l1, l2, h2), clamp(h1, l2, h2))
// SOURCE   -
#include <algorithm>
#include <cmath>

#include "clamp.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::kNoValue;

bool is_plain_relu(const Clamp& clamp) { return clamp.low == 0.0 && std::isinf(clamp.high); }

ir::ValueId bound_constant(ir::Graph& graph, const std::string& stem, double bound) {
  if (std::isinf(bound)) return kNoValue;
  return add_constant(graph, stem, Tensor::scalar(static_cast<float>(bound)));
}

void write(ir::Graph& graph, ir::NodeId id, const Clamp& clamp) {
  constexpr int64_t kBoundsAreInputsSince = 11;
  const std::string name = graph.node(id).name;
  const ir::ValueId output = graph.node(id).outputs[0];
  if (is_plain_relu(clamp)) {
    replace_producer(graph, output, {.op_type = "Relu", .inputs = {clamp.input}});
    return;
  }
  std::vector<ir::ValueId> inputs{clamp.input, bound_constant(graph, name + ".min", clamp.low)};
  if (const ir::ValueId high = bound_constant(graph, name + ".max", clamp.high); high != kNoValue) inputs.push_back(high);
  replace_producer(graph, output, {.op_type = "Clip", .first_opset = kBoundsAreInputsSince, .inputs = std::move(inputs)});
}

bool merge(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const auto outer = as_clamp(graph, graph.node(id));
  if (!outer) return false;
  if (const auto inner = single_clamp(graph, outer->input)) {
    write(graph, id, {.input = inner->input,
                      .low = std::clamp(inner->low, outer->low, outer->high),
                      .high = std::clamp(inner->high, outer->low, outer->high)});
    return true;
  }
  if (!is_plain_relu(*outer) || is_op(graph.node(id), "Relu")) return false;
  write(graph, id, *outer);
  return true;
}

}  // namespace

void register_merge_clamps(Registry& registry) {
  registry.add_rewrite({.name = "merge_clamps",
                        .summary = "Joins Relu, Clip, Min and Max in a row: Relu and Min(6) become Clip(0, 6).",
                        .category = PassCategory::kCleanup,
                        .order = 30},
                       merge);
}

}  // namespace qtool::passes
