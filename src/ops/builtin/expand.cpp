// Expand: broadcasts a tensor to a shape (both ways: a 1 in the requested shape keeps the input's dimension).
#include "operands.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"
#include "strided_loop.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const IntList requested = int_list_input(context, 1);
  if (requested.absent()) invalid_model("input 1 (shape) is missing");
  if (requested.unknown()) return {std::nullopt};
  const Shape target(requested.values);
  (void)target.element_count();  // refuses negative dimensions
  return {TensorType{operand_dtype(context, 0), broadcast_shapes(operand_shape(context, 0), target)}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape shape = settled(types(context)).shape;
  if (shape == input.shape()) return {input};
  return {copy_view(input, 0, shape.dims(), broadcast_strides(input.shape(), shape), shape)};
}

}  // namespace

void register_expand(Registry& registry) {
  registry.add({.type = "Expand",
                .first_opset = 8,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
