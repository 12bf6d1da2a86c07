// PRelu: slope * x below zero; the slope broadcasts to x, not the other way round.
#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 1);
  const Shape& shape = operand_shape(context, 0);
  const Shape& slope = operand_shape(context, 1);
  if (broadcast_shapes(shape, slope) != shape) {
    invalid_model("slope of shape {} does not broadcast to input of shape {}", slope.text(), shape.text());
  }
  return {operand_type(context, 0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  dispatch_numeric(result.dtype(), [&]<class T>() {
    using C = Compute<T>;
    map_broadcast<T, T, T>(context.input(0), context.input(1), result,
                           [](C x, C slope) { return x < C{0} ? wrapping_multiply(x, slope) : x; });
  });
  return {std::move(result)};
}

}  // namespace

void register_prelu(Registry& registry) {
  registry.add({.type = "PRelu",
                .first_opset = 1,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.is_activation = true}});
}

}  // namespace qtool::ops
