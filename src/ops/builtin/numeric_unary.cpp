// Abs, Neg, Sign: unary functions of every numeric type.
#include <cmath>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

struct Negate {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return wrapping_subtract(T{0}, x);
    else return -x;  // keeps the sign of zero
  }
};

struct Absolute {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
    else if constexpr (std::is_signed_v<T>) return x < 0 ? Negate{}(x) : x;
    else return x;
  }
};

struct Sign {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x)) return x;
    }
    return static_cast<T>((x > T{0}) - (x < T{0}));
  }
};

template <class Fn>
OpDef numeric_unary(const char* type, int64_t first_opset, Fn fn) {
  return {.type = type,
          .first_opset = first_opset,
          .infer = [](const InferContext& context) -> InferredTypes {
            require_numeric(context.dtype(0));
            return {context.type(0)};
          },
          .evaluate = [fn](const EvalContext& context) -> std::vector<Tensor> {
            const Tensor& input = context.input(0);
            Tensor result(input.type());
            dispatch_numeric(input.dtype(), [&]<class T>() { map_elements<T, T>(input, result, fn); });
            return {std::move(result)};
          }};
}

}  // namespace

void register_numeric_unary(Registry& registry) {
  registry.add(numeric_unary("Abs", 6, Absolute{}));
  registry.add(numeric_unary("Neg", 6, Negate{}));
  registry.add(numeric_unary("Sign", 9, Sign{}));
}

}  // namespace qtool::ops
