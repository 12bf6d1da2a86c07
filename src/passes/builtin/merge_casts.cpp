// Joins two type conversions.
// BEFORE   x -> Cast(A) -> Cast(B) -> y        AFTER   x -> Cast(B) -> y
// REQUIRES every value of x's type is exact in A
// FORMULA  -
// SOURCE   -
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

struct IntegerRange {
  int bits;
  bool is_signed;
};

IntegerRange integer_range(DType dtype) {
  switch (dtype) {
    case DType::kBool: return {1, false};
    case DType::kInt4: return {4, true};
    case DType::kUInt4: return {4, false};
    case DType::kInt8: return {8, true};
    case DType::kUInt8: return {8, false};
    case DType::kInt16: return {16, true};
    case DType::kUInt16: return {16, false};
    case DType::kInt32: return {32, true};
    case DType::kUInt32: return {32, false};
    case DType::kInt64: return {64, true};
    default: return {64, false};
  }
}

int significand_bits(DType dtype) {
  switch (dtype) {
    case DType::kFloat64: return 53;
    case DType::kFloat32: return 24;
    case DType::kFloat16: return 11;
    default: return 8;
  }
}

bool is_exact(DType from, DType to) {
  if (from == to) return true;
  if (from == DType::kString || to == DType::kString || to == DType::kBool) return false;
  if (is_floating(from)) {
    if (!is_floating(to)) return false;
    // float16 and bfloat16 do not contain each other.
    return to == DType::kFloat64 || (to == DType::kFloat32 && from != DType::kFloat64);
  }
  const IntegerRange source = integer_range(from);
  const int magnitude_bits = source.bits - (source.is_signed ? 1 : 0);
  if (is_floating(to)) return magnitude_bits <= significand_bits(to);
  const IntegerRange target = integer_range(to);
  return (target.is_signed || !source.is_signed) && magnitude_bits <= target.bits - (target.is_signed ? 1 : 0);
}

bool merge(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  if (!is_op(node, "Cast")) return false;
  const ir::Node* first = producer_of(graph, node.inputs[0], "Cast");
  if (first == nullptr) return false;
  const TensorType *from = known_type(graph, first->inputs[0]), *through = known_type(graph, node.inputs[0]);
  if (from == nullptr || through == nullptr || !is_exact(from->dtype, through->dtype)) return false;
  const ir::ValueId middle = node.inputs[0];
  graph.set_input(id, 0, first->inputs[0]);
  prune(graph, middle);
  return true;
}

}  // namespace

void register_merge_casts(Registry& registry) {
  registry.add_rewrite({.name = "merge_casts",
                        .summary = "Joins consecutive casts where the first loses nothing.",
                        .category = PassCategory::kCleanup,
                        .order = 22},
                       merge);
}

}  // namespace qtool::passes
