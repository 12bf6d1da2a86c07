// Joins two transpositions; what remains of a pair that cancels is removed by remove_identity.
// BEFORE   x -> Transpose(p) -> Transpose(q) -> y        AFTER   x -> Transpose(r) -> y
// REQUIRES settled ranks. The first stays for its other readers, if any.
// FORMULA  r[i] = p[q[i]]
// SOURCE   y[j] over axes: axis i of y is axis q[i] of the middle, which is axis p[q[i]] of x
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"
#include "qtool/tensor/permutation.h"

namespace qtool::passes {

namespace {

std::vector<int64_t> permutation_of(const ir::Node& node, size_t rank) { return node.attr_ints("perm", reversed_axes(rank)); }

bool merge(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  if (!is_op(node, "Transpose")) return false;
  const ir::ValueId middle = node.inputs[0];
  const ir::Node* first = producer_of(graph, middle, "Transpose");
  const TensorType* type = known_type(graph, middle);
  if (first == nullptr || type == nullptr) return false;
  const std::vector<int64_t> p = permutation_of(*first, type->shape.rank());
  std::vector<int64_t> joined;
  for (const int64_t axis : permutation_of(node, type->shape.rank())) joined.push_back(p[static_cast<size_t>(axis)]);
  const ir::ValueId source = first->inputs[0];
  graph.node(id).attributes["perm"] = std::move(joined);
  graph.set_input(id, 0, source);
  prune(graph, middle);
  return true;
}

}  // namespace

void register_merge_transposes(Registry& registry) {
  registry.add_rewrite({.name = "merge_transposes",
                        .summary = "Joins consecutive transpositions.",
                        .category = PassCategory::kCleanup,
                        .order = 24},
                       merge);
}

}  // namespace qtool::passes
