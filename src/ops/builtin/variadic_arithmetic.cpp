// Max, Min, Sum, Mean of one or more broadcast inputs. Max and Min keep NaN; sums run in double.
#include <cmath>

#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_numeric(operand_dtype(context, 0));
  for (size_t i = 1; i < context.input_count(); ++i) require_same_dtype(context, 0, i);
  return {TensorType{operand_dtype(context, 0), broadcast_operands(context)}};
}

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  else return false;
}

struct Larger {
  template <class T> T operator()(T a, T b) const { return a > b || is_nan(a) ? a : b; }
};
struct Smaller {
  template <class T> T operator()(T a, T b) const { return a < b || is_nan(a) ? a : b; }
};

template <class Fn>
std::vector<Tensor> evaluate_extremum(const EvalContext& context, Fn fn) {
  const TensorType type = settled(types(context));
  Tensor running = context.input(0);
  dispatch_numeric(type.dtype, [&]<class T>() {
    for (size_t i = 1; i < context.input_count(); ++i) {
      Tensor next(type.dtype, broadcast_shapes(running.shape(), context.input(i).shape()));
      map_broadcast<T, T, T>(running, context.input(i), next, fn);
      running = std::move(next);
    }
  });
  return {std::move(running)};
}

std::vector<Tensor> evaluate_sum(const EvalContext& context, bool mean) {
  Tensor result(settled(types(context)));
  const auto inputs = static_cast<double>(context.input_count());
  if (context.input_count() == 1) return {context.input(0)};
  dispatch_floating(result.dtype(), [&]<class T>() {
    std::vector<double> sums(static_cast<size_t>(result.element_count()), 0.0);
    for (size_t i = 0; i < context.input_count(); ++i) {
      const Tensor& input = context.input(i);
      const StridedLoop<1> loop(result.shape().dims(), {broadcast_strides(input.shape(), result.shape())});
      const int64_t step = loop.run_step(0);
      double* sum = sums.data();
      loop.for_each_run([&](const auto& offsets, int64_t length) {
        const T* from = elements<T>(input) + offsets[0];
        for (int64_t k = 0; k < length; ++k) sum[k] += static_cast<double>(from[k * step]);
        sum += length;
      });
    }
    T* target = mutable_elements<T>(result);
    for (size_t k = 0; k < sums.size(); ++k) target[k] = static_cast<T>(mean ? sums[k] / inputs : sums[k]);
  });
  return {std::move(result)};
}

}  // namespace

void register_variadic_arithmetic(Registry& registry) {
  registry.add({.type = "Max", .first_opset = 6, .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate_extremum(context, Larger{}); }});
  registry.add({.type = "Min", .first_opset = 6, .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate_extremum(context, Smaller{}); }});
  registry.add({.type = "Sum", .first_opset = 6, .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate_sum(context, false); }});
  registry.add({.type = "Mean", .first_opset = 6, .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate_sum(context, true); }});
}

}  // namespace qtool::ops
