// Unary functions of floating-point tensors, computed in double and rounded once.
#include <cmath>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

using RealFunction = double (*)(double);

std::vector<Tensor> evaluate_real(const EvalContext& context, RealFunction function) {
  const Tensor& input = context.input(0);
  Tensor result(input.type());
  dispatch_floating(input.dtype(), [&]<class T>() { map_elements<T, T>(input, result, function); });
  return {std::move(result)};
}

}  // namespace

void register_float_unary_math(Registry& registry) {
  const auto add = [&](const char* type, int64_t first_opset, RealFunction function) {
    registry.add({.type = type,
                  .first_opset = first_opset,
                  .infer = [](const InferContext& context) -> InferredTypes {
                    require_floating(context.dtype(0));
                    return {context.type(0)};
                  },
                  .evaluate = [function](const EvalContext& context) { return evaluate_real(context, function); }});
  };
  add("Ceil", 6, [](double x) { return std::ceil(x); });
  add("Floor", 6, [](double x) { return std::floor(x); });
  add("Round", 11, [](double x) { return std::nearbyint(x); });  // half to even
  add("Sqrt", 6, [](double x) { return std::sqrt(x); });
  add("Reciprocal", 6, [](double x) { return 1.0 / x; });
  add("Exp", 6, [](double x) { return std::exp(x); });
  add("Log", 6, [](double x) { return std::log(x); });
  add("Erf", 9, [](double x) { return std::erf(x); });
  add("Sin", 7, [](double x) { return std::sin(x); });
  add("Cos", 7, [](double x) { return std::cos(x); });
  add("Tan", 7, [](double x) { return std::tan(x); });
  add("Asin", 7, [](double x) { return std::asin(x); });
  add("Acos", 7, [](double x) { return std::acos(x); });
  add("Atan", 7, [](double x) { return std::atan(x); });
  add("Sinh", 9, [](double x) { return std::sinh(x); });
  add("Cosh", 9, [](double x) { return std::cosh(x); });
  add("Asinh", 9, [](double x) { return std::asinh(x); });
  add("Acosh", 9, [](double x) { return std::acosh(x); });
  add("Atanh", 9, [](double x) { return std::atanh(x); });
}

}  // namespace qtool::ops
