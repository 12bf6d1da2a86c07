// Operators that only change the order of axes, written as one transposition of a row-major view.
#pragma once

#include <optional>

#include "qtool/ir/node.h"
#include "qtool/tensor/permutation.h"

namespace qtool::ops {

// Transpose, DepthToSpace and SpaceToDepth of a tensor of shape `input`: the view splits axes of `input` and keeps their
// order. nullopt for other operators.
[[nodiscard]] std::optional<AxisPermutation> axis_permutation(const ir::Node& node, const Shape& input);

enum class BlockOrder : uint8_t { kDepthFirst, kColumnFirst };  // DCR, CRD: blocks in front of or behind the channels

// `input` is [n, c, h, w] and divides into blocks of `block` x `block`.
[[nodiscard]] AxisPermutation depth_to_space_permutation(const Shape& input, int64_t block, BlockOrder order);
[[nodiscard]] AxisPermutation space_to_depth_permutation(const Shape& input, int64_t block, BlockOrder order);

}  // namespace qtool::ops
