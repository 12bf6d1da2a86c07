// CumSum along one axis; exclusive leaves the element itself out, reverse runs from the end. Sums run in double.
#include <algorithm>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(input.type());
  const AxisView view = view_around(input.shape(), input.shape().normalize_axis(single_int(context.input(1), "axis")));
  const bool exclusive = context.node().attr_int("exclusive", 0) != 0;
  const bool reverse = context.node().attr_int("reverse", 0) != 0;
  dispatch_numeric(input.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    std::vector<A> sums(static_cast<size_t>(view.inner));
    for (int64_t o = 0; o < view.outer; ++o) {
      std::fill(sums.begin(), sums.end(), A{0});
      for (int64_t step = 0; step < view.length; ++step) {
        const int64_t k = reverse ? view.length - 1 - step : step;
        const int64_t row = (o * view.length + k) * view.inner;
        const T* source = elements<T>(input) + row;
        T* target = mutable_elements<T>(result) + row;
        for (int64_t i = 0; i < view.inner; ++i) {
          A& sum = sums[static_cast<size_t>(i)];
          if (exclusive) target[i] = static_cast<T>(sum);
          sum += static_cast<A>(source[i]);
          if (!exclusive) target[i] = static_cast<T>(sum);
        }
      }
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_cum_sum(Registry& registry) {
  registry.add({.type = "CumSum",
                .first_opset = 11,
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_numeric(context.dtype(0));
                  return {context.type(0)};
                },
                .evaluate = evaluate});
}

}  // namespace qtool::ops
