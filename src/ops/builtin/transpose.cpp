// Transpose: permutes axes; without perm it reverses them.
#include <algorithm>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

std::vector<size_t> permutation(const ir::Node& node, size_t rank) {
  std::vector<size_t> order(rank);
  if (!node.has_attribute("perm")) {
    for (size_t i = 0; i < rank; ++i) order[i] = rank - 1 - i;
    return order;
  }
  const std::vector<int64_t> perm = node.attr_ints("perm");
  if (perm.size() != rank) invalid_model("perm [{}] does not fit a tensor of rank {}", join(perm, ", "), rank);
  (void)axis_mask(perm, rank);  // refuses repeats and values outside
  for (size_t i = 0; i < rank; ++i) order[i] = static_cast<size_t>(perm[i] < 0 ? perm[i] + static_cast<int64_t>(rank) : perm[i]);
  return order;
}

Shape permuted(const Shape& shape, const std::vector<size_t>& order) {
  std::vector<int64_t> dims(order.size());
  for (size_t i = 0; i < order.size(); ++i) dims[i] = shape[order[i]];
  return Shape(std::move(dims));
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const std::vector<size_t> order = permutation(context.node(), input.shape().rank());
  Shape shape = permuted(input.shape(), order);
  if (std::is_sorted(order.begin(), order.end())) return {input};
  const std::vector<int64_t> own = input.shape().strides();
  std::vector<int64_t> strides(order.size());
  for (size_t i = 0; i < order.size(); ++i) strides[i] = own[order[i]];
  const std::vector<int64_t> dims = shape.dims();
  return {copy_view(input, 0, dims, strides, std::move(shape))};
}

}  // namespace

void register_transpose(Registry& registry) {
  registry.add({.type = "Transpose",
                .infer = [](const InferContext& context) -> InferredTypes {
                  const Shape& shape = context.shape(0);
                  return {TensorType{context.dtype(0), permuted(shape, permutation(context.node(), shape.rank()))}};
                },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
