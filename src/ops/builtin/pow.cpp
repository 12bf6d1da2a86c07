// Pow: the result has the type of the base; the exponent may be of another type since opset 12.
#include <cmath>

#include "broadcast.h"
#include "element_cast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_numeric(operand_dtype(context, 0));
  require_numeric(operand_dtype(context, 1));
  return {TensorType{operand_dtype(context, 0), broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

// Integer power by squaring, wrapping like a multiplication; negative exponents truncate the fraction.
int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw Error(ErrorCode::kInvalidData, "zero raised to a negative integer power");
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = wrapping_multiply(result, base);
    base = wrapping_multiply(base, base);
  }
  return result;
}

// Exponents of real models are floats or integers; converting them to double or int64 first is exact for those
// and keeps the number of instantiations at one kernel a base type.
std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const Tensor& base = context.input(0);
  const bool integers = is_integer(base.dtype()) && is_integer(context.input(1).dtype());
  const Tensor exponent = cast_tensor(context.input(1), integers ? DType::kInt64 : DType::kFloat64);
  dispatch_numeric(base.dtype(), [&]<class T>() {
    using C = Compute<T>;
    if constexpr (std::is_integral_v<T>) {
      if (integers) {
        return map_broadcast<T, int64_t, T>(base, exponent, result, [](C b, int64_t e) {
          return static_cast<T>(integer_power(static_cast<int64_t>(b), e));
        });
      }
    }
    map_broadcast<T, double, T>(base, exponent, result, [](C b, double e) {
      return cast_element<T>(std::pow(static_cast<double>(b), e));
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_pow(Registry& registry) {
  registry.add({.type = "Pow", .first_opset = 1, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
