// Range: start, start + delta, ... up to but without limit.
#include <cmath>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class T>
T only_element(const Tensor& tensor) {
  if (tensor.element_count() != 1) invalid_model("start, limit and delta must be scalars, found shape {}", tensor.shape().text());
  return *elements<T>(tensor);
}

// ceil((limit - start) / delta), in integers where the inputs are.
template <class T>
int64_t range_count(T start, T limit, T delta) {
  if (static_cast<Compute<T>>(delta) == Compute<T>{0}) invalid_model("delta is 0");
  if constexpr (kIsFloat<T>) {
    const double steps = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
    if (!(steps < 0x1p53)) invalid_model("the range has no finite length");
    return steps > 0 ? static_cast<int64_t>(steps) : 0;
  } else {
    const auto wide_start = static_cast<__int128>(start), wide_limit = static_cast<__int128>(limit), wide_delta = static_cast<__int128>(delta);
    const __int128 distance = wide_delta > 0 ? wide_limit - wide_start : wide_start - wide_limit;
    const __int128 step = wide_delta > 0 ? wide_delta : -wide_delta;
    return distance > 0 ? static_cast<int64_t>((distance + step - 1) / step) : 0;
  }
}

template <class Context>
InferredTypes types(const Context& context) {
  const Tensor *start = known_operand(context, 0), *limit = known_operand(context, 1), *delta = known_operand(context, 2);
  for (size_t i = 1; i < 3; ++i) require_same_dtype(context, 0, i);
  if (start == nullptr || limit == nullptr || delta == nullptr) return {std::nullopt};
  int64_t count = 0;
  dispatch_numeric(start->dtype(), [&]<class T>() {
    count = range_count(only_element<T>(*start), only_element<T>(*limit), only_element<T>(*delta));
  });
  return {TensorType{start->dtype(), Shape{count}}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  dispatch_numeric(result.dtype(), [&]<class T>() {
    using C = std::conditional_t<kIsFloat<T>, double, T>;
    const C start = static_cast<C>(only_element<T>(context.input(0)));
    const C delta = static_cast<C>(only_element<T>(context.input(2)));
    T* target = mutable_elements<T>(result);
    for (int64_t i = 0; i < result.element_count(); ++i) {
      target[i] = static_cast<T>(wrapping_add(start, wrapping_multiply(static_cast<C>(i), delta)));
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_range(Registry& registry) {
  registry.add({.type = "Range", .first_opset = 11, .infer = types<InferContext>, .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
