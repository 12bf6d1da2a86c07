#include "qtool/ops/axis_permutation.h"

namespace qtool::ops {

AxisPermutation depth_to_space_permutation(const Shape& input, int64_t block, BlockOrder order) {
  const int64_t channels = input[1] / (block * block);
  if (order == BlockOrder::kDepthFirst) return {{input[0], block, block, channels, input[2], input[3]}, {0, 3, 4, 1, 5, 2}};
  return {{input[0], channels, block, block, input[2], input[3]}, {0, 1, 4, 2, 5, 3}};
}

AxisPermutation space_to_depth_permutation(const Shape& input, int64_t block, BlockOrder order) {
  const Shape view{input[0], input[1], input[2] / block, block, input[3] / block, block};
  if (order == BlockOrder::kDepthFirst) return {view, {0, 3, 5, 1, 2, 4}};
  return {view, {0, 1, 3, 5, 2, 4}};
}

std::optional<AxisPermutation> axis_permutation(const ir::Node& node, const Shape& input) {
  if (!node.domain.empty()) return std::nullopt;
  if (node.op_type == "Transpose") return AxisPermutation{input, node.attr_ints("perm", reversed_axes(input.rank()))};
  const int64_t block = node.attr_int("blocksize", 1);
  const BlockOrder order = node.attr_string("mode", "DCR") == "CRD" ? BlockOrder::kColumnFirst : BlockOrder::kDepthFirst;
  if (node.op_type == "DepthToSpace") return depth_to_space_permutation(input, block, order);
  if (node.op_type == "SpaceToDepth") return space_to_depth_permutation(input, block, order);
  return std::nullopt;
}

}  // namespace qtool::ops
