// Names DepthToSpace and SpaceToDepth that are spelled out, as pixel shuffles written by hand are.
// BEFORE   x [n, c, h, w] -> Reshape -> Transpose -> Reshape -> y      AFTER   x -> DepthToSpace or SpaceToDepth -> y
// REQUIRES settled shapes; the transposed tensor has no other reader. SpaceToDepth in DCR order only: ONNX has no other.
// FORMULA  both move elements alike when their transpositions are the same after merging neighbouring axes
// SOURCE   ONNX operators DepthToSpace and SpaceToDepth
#include "qtool/ops/axis_permutation.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;
using ops::BlockOrder;

struct Form {
  std::string_view op_type;
  int64_t block;
  BlockOrder order;
};

// How often `whole` holds `part` along both spatial axes; 0 when it does not.
int64_t block_between(const Shape& whole, const Shape& part) {
  if (part[2] == 0 || part[3] == 0 || whole[2] % part[2] != 0 || whole[3] % part[3] != 0) return 0;
  const int64_t block = whole[2] / part[2];
  return block > 1 && block == whole[3] / part[3] ? block : 0;
}

std::optional<Form> form_of(const Shape& x, const Shape& y, const ReducedPermutation& moved) {
  if (x.rank() != 4 || y.rank() != 4 || x[0] != y[0]) return std::nullopt;
  if (const int64_t block = block_between(y, x); block > 0 && x[1] == y[1] * block * block) {
    for (const BlockOrder order : {BlockOrder::kDepthFirst, BlockOrder::kColumnFirst}) {
      if (reduce_permutation(ops::depth_to_space_permutation(x, block, order)) == moved) return Form{"DepthToSpace", block, order};
    }
  }
  if (const int64_t block = block_between(x, y); block > 0 && y[1] == x[1] * block * block) {
    const auto expected = reduce_permutation(ops::space_to_depth_permutation(x, block, BlockOrder::kDepthFirst));
    if (expected == moved) return Form{"SpaceToDepth", block, BlockOrder::kDepthFirst};
  }
  return std::nullopt;
}

bool recognise(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& last = graph.node(id);
  if (!is_op(last, "Reshape")) return false;
  const ValueId output = last.outputs[0];
  const Node* transpose = single_producer_of(graph, last.inputs[0], "Transpose");
  if (transpose == nullptr) return false;
  const Node* first = producer_of(graph, transpose->inputs[0], "Reshape");
  if (first == nullptr) return false;
  const ValueId source = first->inputs[0];
  const TensorType *x = known_type(graph, source), *view = known_type(graph, transpose->inputs[0]), *y = known_type(graph, output);
  if (x == nullptr || view == nullptr || y == nullptr || y->shape.element_count() == 0) return false;
  const auto form = form_of(x->shape, y->shape, reduce_permutation(*ops::axis_permutation(*transpose, view->shape)));
  if (!form) return false;
  Replacement named{.op_type = form->op_type, .first_opset = 11, .inputs = {source}, .attributes = {{"blocksize", form->block}}};
  if (form->order == BlockOrder::kColumnFirst) named.attributes["mode"] = std::string("CRD");
  replace_producer(graph, output, std::move(named));
  return true;
}

}  // namespace

void register_recognise_depth_to_space(Registry& registry) {
  registry.add_rewrite({.name = "recognise_depth_to_space",
                        .summary = "Names DepthToSpace and SpaceToDepth that are spelled out.",
                        .category = PassCategory::kCleanup,
                        .order = 47},
                       recognise);
}

}  // namespace qtool::passes
