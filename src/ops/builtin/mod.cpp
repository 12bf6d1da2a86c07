// Mod: fmod=0 takes the sign of the divisor (as numpy.mod), fmod=1 the sign of the dividend (as C's fmod). Older
// versions of the standard ask for fmod=1 with floating point; newer ones define both, and so does this.
#include <cmath>

#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 1);
  require_numeric(operand_dtype(context, 0));
  return {TensorType{operand_dtype(context, 0), broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

template <class T>
T integer_remainder(T a, T b) {
  if (b == 0) throw Error(ErrorCode::kInvalidData, "integer remainder of a division by zero");
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return T{0};  // lowest % -1 traps although the remainder is 0
  }
  return static_cast<T>(a % b);
}

template <class T>
T floored_remainder(T a, T b) {
  const T rest = std::fmod(a, b);
  if (rest == T{0}) return std::copysign(T{0}, b);
  return (rest < T{0}) != (b < T{0}) ? rest + b : rest;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const bool sign_of_dividend = context.node().attr_int("fmod", 0) != 0;
  dispatch_numeric(result.dtype(), [&]<class T>() {
    using C = Compute<T>;
    map_broadcast<T, T, T>(context.input(0), context.input(1), result, [=](C a, C b) -> C {
      if constexpr (std::is_floating_point_v<C>) {
        return sign_of_dividend ? std::fmod(a, b) : floored_remainder(a, b);
      } else {
        const C rest = integer_remainder(a, b);
        return !sign_of_dividend && rest != 0 && (rest < 0) != (b < 0) ? static_cast<C>(rest + b) : rest;
      }
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_mod(Registry& registry) {
  registry.add({.type = "Mod", .first_opset = 10, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
