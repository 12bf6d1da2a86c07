// DepthToSpace and SpaceToDepth, both in DCR and CRD order: a transposition of a six-axis view.
#include "operands.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

template <class Context>
int64_t block_size(const Context& context) {
  if (operand_shape(context, 0).rank() != 4) {
    invalid_model("expected an input of rank 4, found shape {}", operand_shape(context, 0).text());
  }
  const int64_t block = context.node().attr_int("blocksize", 0);
  constexpr int64_t kLargestBlock = 1 << 15;  // keeps the square far from overflow
  if (block < 1 || block > kLargestBlock) invalid_model("attribute blocksize is {}, expected 1 to {}", block, kLargestBlock);
  return block;
}

template <class Context>
InferredTypes depth_to_space_types(const Context& context) {
  const Shape& s = operand_shape(context, 0);
  const int64_t block = block_size(context);
  if (s[1] % (block * block) != 0) invalid_model("{} channels do not fill blocks of {}x{}", s[1], block, block);
  return {TensorType{operand_dtype(context, 0), Shape{s[0], s[1] / (block * block), s[2] * block, s[3] * block}}};
}

template <class Context>
InferredTypes space_to_depth_types(const Context& context) {
  const Shape& s = operand_shape(context, 0);
  const int64_t block = block_size(context);
  if (s[2] % block != 0 || s[3] % block != 0) invalid_model("input of shape {} does not divide into blocks of {}", s.text(), block);
  return {TensorType{operand_dtype(context, 0), Shape{s[0], s[1] * block * block, s[2] / block, s[3] / block}}};
}

// DCR: the channels of the deep side are (block_y, block_x, c); CRD: (c, block_y, block_x).
bool is_depth_first(const ir::Node& node) {
  const std::string mode = node.attr_string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") invalid_model("attribute mode is '{}', expected DCR or CRD", mode);
  return mode == "DCR";
}

std::vector<Tensor> depth_to_space(const EvalContext& context) {
  const Shape result = settled(depth_to_space_types(context)).shape;
  const Shape& s = context.input(0).shape();
  const int64_t block = block_size(context), channels = result[1], plane = s[2] * s[3];
  const bool depth_first = is_depth_first(context.node());
  const int64_t step_c = depth_first ? plane : block * block * plane;
  const int64_t step_x = depth_first ? channels * plane : plane;
  return {copy_view(context.input(0), 0, {s[0], channels, s[2], block, s[3], block},
                    {s[1] * plane, step_c, s[3], block * step_x, 1, step_x}, result)};
}

std::vector<Tensor> space_to_depth(const EvalContext& context) {
  const Shape result = settled(space_to_depth_types(context)).shape;
  const Shape& s = context.input(0).shape();
  const int64_t block = block_size(context), plane = s[2] * s[3];
  if (!is_depth_first(context.node())) {
    return {copy_view(context.input(0), 0, {s[0], s[1], block, block, result[2], result[3]},
                      {s[1] * plane, plane, s[3], 1, block * s[3], block}, result)};
  }
  return {copy_view(context.input(0), 0, {s[0], block, block, s[1], result[2], result[3]},
                    {s[1] * plane, s[3], 1, plane, block * s[3], block}, result)};
}

}  // namespace

void register_depth_space(Registry& registry) {
  registry.add({.type = "DepthToSpace", .first_opset = 1, .infer = depth_to_space_types<InferContext>,
                .evaluate = depth_to_space, .traits = {.flow = ValueFlow::kMovesData}});
  registry.add({.type = "SpaceToDepth", .first_opset = 1, .infer = space_to_depth_types<InferContext>,
                .evaluate = space_to_depth, .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
