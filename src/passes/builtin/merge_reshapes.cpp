// Joins two nodes that only change the shape.
// BEFORE   x -> {Reshape, Flatten, Squeeze, Unsqueeze} -> {Reshape, Flatten, Squeeze, Unsqueeze} -> y
// AFTER    x -> Reshape(shape of y) -> y
// REQUIRES the shape of y is settled and has no empty axis; the first has no other reader, unless y has x's shape
// FORMULA  -
// SOURCE   all four keep the row-major order of elements
#include <algorithm>

#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

bool only_reshapes(const ir::Node& node) {
  return is_op(node, "Reshape") || is_op(node, "Flatten") || is_op(node, "Squeeze") || is_op(node, "Unsqueeze");
}

bool merge(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  if (!only_reshapes(node)) return false;
  const ir::ValueId middle = node.inputs[0], output = node.outputs[0];
  const ir::NodeId first = graph.producer(middle);
  if (first == ir::kNoNode || !only_reshapes(graph.node(first))) return false;
  const ir::ValueId source = graph.node(first).inputs[0];
  const TensorType* type = known_type(graph, output);
  if (type == nullptr || type->shape.element_count() == 0) return false;
  if (graph.single_user(middle) == ir::kNoNode && !same_known_type(graph, source, output)) return false;
  const ir::ValueId shape = add_constant(graph, node.name + ".shape", int_tensor(type->shape.dims()));
  replace_producer(graph, output, {.op_type = "Reshape", .first_opset = 5, .inputs = {source, shape}});
  return true;
}

}  // namespace

void register_merge_reshapes(Registry& registry) {
  registry.add_rewrite({.name = "merge_reshapes",
                        .summary = "Joins consecutive reshapes, flattens, squeezes and unsqueezes.",
                        .category = PassCategory::kCleanup,
                        .order = 26},
                       merge);
}

}  // namespace qtool::passes
