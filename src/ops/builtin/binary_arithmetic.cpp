// Add, Sub, Mul, Div with numpy broadcasting. Integers wrap; integer division truncates toward zero.
#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

struct Plus {
  template <class T> T operator()(T a, T b) const { return wrapping_add(a, b); }
};
struct Minus {
  template <class T> T operator()(T a, T b) const { return wrapping_subtract(a, b); }
};
struct Times {
  template <class T> T operator()(T a, T b) const { return wrapping_multiply(a, b); }
};
struct Quotient {
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) throw Error(ErrorCode::kInvalidData, "integer division by zero");
      // The lowest value divided by -1 has no representable quotient and would trap.
      if constexpr (std::is_signed_v<T>) {
        if (b == T{-1}) return wrapping_subtract(T{0}, a);
      }
    }
    return static_cast<T>(a / b);
  }
};

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 1);
  require_numeric(operand_dtype(context, 0));
  return {TensorType{operand_dtype(context, 0), broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

template <class Fn>
OpDef arithmetic(const char* type, Fn fn) {
  return {.type = type,
          .first_opset = 1,
          .infer = types<InferContext>,
          .evaluate = [fn](const EvalContext& context) -> std::vector<Tensor> {
            Tensor result(settled(types(context)));
            dispatch_numeric(result.dtype(), [&]<class T>() {
              map_broadcast<T, T, T>(context.input(0), context.input(1), result, fn);
            });
            return {std::move(result)};
          }};
}

}  // namespace

void register_binary_arithmetic(Registry& registry) {
  registry.add(arithmetic("Add", Plus{}));
  registry.add(arithmetic("Sub", Minus{}));
  registry.add(arithmetic("Mul", Times{}));
  registry.add(arithmetic("Div", Quotient{}));
}

}  // namespace qtool::ops
