// Shrink: x + bias below -lambd, x - bias above lambd, 0 between.
#include "element_cast.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

void register_shrink(Registry& registry) {
  registry.add({.type = "Shrink",
                .first_opset = 9,
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_numeric(context.dtype(0));
                  return {context.type(0)};
                },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  const Tensor& input = context.input(0);
                  const double bias = context.node().attr_float("bias", 0.0f);
                  const double lambd = context.node().attr_float("lambd", 0.5f);
                  Tensor result(input.type());
                  dispatch_numeric(input.dtype(), [&]<class T>() {
                    map_elements<T, T>(input, result, [=](auto x) {
                      const auto real = static_cast<double>(x);
                      return cast_element<T>(real < -lambd ? real + bias : real > lambd ? real - bias : 0.0);
                    });
                  });
                  return {std::move(result)};
                }});
}

}  // namespace qtool::ops
