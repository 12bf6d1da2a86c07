// Tile: repeats a tensor along each axis.
#include "operands.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const IntList repeats = int_list_input(context, 1);
  if (repeats.absent()) invalid_model("input 1 (repeats) is missing");
  if (repeats.unknown()) return {std::nullopt};
  if (repeats.values.size() != input.rank()) {
    invalid_model("repeats [{}] do not fit an input of shape {}", join(repeats.values, ", "), input.text());
  }
  std::vector<int64_t> dims = input.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (repeats.values[i] < 0) invalid_model("repeats [{}] are negative", join(repeats.values, ", "));
    if (__builtin_mul_overflow(dims[i], repeats.values[i], &dims[i])) {
      invalid_model("repeats [{}] exceed any tensor", join(repeats.values, ", "));
    }
  }
  return {TensorType{operand_dtype(context, 0), Shape(std::move(dims))}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape shape = settled(types(context)).shape;
  const std::vector<int64_t> repeats = context.input(1).to_int64();
  const std::vector<int64_t> own = input.shape().strides();
  // Axis i of the result is the pair (repeat, index), the repeat moving nowhere in the input.
  std::vector<int64_t> dims, strides;
  for (size_t i = 0; i < repeats.size(); ++i) {
    dims.insert(dims.end(), {repeats[i], input.shape()[i]});
    strides.insert(strides.end(), {0, own[i]});
  }
  return {copy_view(input, 0, dims, strides, shape)};
}

}  // namespace

void register_tile(Registry& registry) {
  registry.add({.type = "Tile",
                .first_opset = 6,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
