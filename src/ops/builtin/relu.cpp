// Relu, for floating point and (since opset 14) signed integers. NaN stays NaN.
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

void register_relu(Registry& registry) {
  registry.add({.type = "Relu",
                .first_opset = 6,
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_numeric(context.dtype(0));
                  return {context.type(0)};
                },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  const Tensor& input = context.input(0);
                  Tensor result(input.type());
                  dispatch_numeric(input.dtype(), [&]<class T>() {
                    map_elements<T, T>(input, result, [](auto x) { return x < decltype(x){0} ? decltype(x){0} : x; });
                  });
                  return {std::move(result)};
                },
                .traits = {.is_activation = true}});
}

}  // namespace qtool::ops
