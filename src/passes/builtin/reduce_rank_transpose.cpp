// Transposes on fewer axes, where there are more than backends have.
// BEFORE   x -> Transpose (six or more axes) -> y        AFTER   x -> Reshape -> Transpose -> ... -> Reshape -> y
// REQUIRES settled shape without an empty axis. Reshapes on both sides, as window partitions have them, are then merged by
//          merge_reshapes, and no tensor of many axes is left
// FORMULA  axes of extent 1 are left out, neighbours that stay together are one axis; what still has too many axes becomes
//          several transpositions
// SOURCE   row-major order of elements
#include "many_axes.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"
#include "split_permutation.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::ValueId;

ValueId add_transpose(Graph& graph, ValueId source, const ReducedPermutation& step, const std::string& name, int64_t opset) {
  const TensorType type{graph.type_of(source).dtype, Shape(permuted_dims(step.dims, step.perm))};
  const ValueId result = graph.add_value(graph.unique_name(name + ".moved"), type);
  graph.add_node({.name = name, .op_type = "Transpose", .opset = opset, .inputs = {source}, .outputs = {result}, .attributes = {{"perm", step.perm}}});
  return result;
}

bool reduce(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  if (!is_op(node, "Transpose")) return false;
  const TensorType* type = known_type(graph, node.inputs[0]);
  if (type == nullptr || type->shape.rank() <= kMostAxes || type->shape.element_count() == 0) return false;
  const AxisPermutation written{type->shape, node.attr_ints("perm", reversed_axes(type->shape.rank()))};
  const std::vector<ReducedPermutation> steps = split_permutation(reduce_permutation(written), kMostAxes);
  const std::string name = node.name;
  const int64_t opset = node.opset;
  const size_t last = steps.size() - 1;  // unless there is none: a Reshape says it all
  ValueId moved = node.inputs[0];
  for (size_t i = 0; i < steps.size(); ++i) {
    moved = view_of(graph, moved, Shape(steps[i].dims), format("{}.{}", name, i));
    if (i < last) moved = add_transpose(graph, moved, steps[i], format("{}.{}", name, i), opset);
  }
  if (steps.empty()) {
    const ValueId shape = add_constant(graph, name + ".shape", int_tensor(graph.type_of(node.outputs[0]).shape.dims()));
    replace_producer(graph, graph.node(id).outputs[0], {.op_type = "Reshape", .first_opset = 5, .inputs = {moved, shape}});
    return true;
  }
  graph.set_input(id, 0, moved);
  graph.node(id).attributes["perm"] = steps[last].perm;
  restore_behind(graph, id, 0, Shape(permuted_dims(steps[last].dims, steps[last].perm)));
  return true;
}

}  // namespace

void register_reduce_rank_transpose(Registry& registry) {
  registry.add_rewrite({.name = "reduce_rank_transpose",
                        .summary = "Writes transpositions of more than five axes on fewer.",
                        .category = PassCategory::kCleanup,
                        .order = 48},
                       reduce);
}

}  // namespace qtool::passes
