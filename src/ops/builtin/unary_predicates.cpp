// Not, IsNaN, IsInf, BitwiseNot.
#include <cmath>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

InferredTypes bool_of_floating(const InferContext& context) {
  require_floating(context.dtype(0));
  return {TensorType{DType::kBool, context.shape(0)}};
}

std::vector<Tensor> evaluate_not(const EvalContext& context) {
  const Tensor& input = context.input(0);
  require_dtype(input.dtype(), DType::kBool);
  Tensor result(input.type());
  map_elements<bool, bool>(input, result, [](bool x) { return !x; });
  return {std::move(result)};
}

std::vector<Tensor> evaluate_is_nan(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(DType::kBool, input.shape());
  dispatch_floating(input.dtype(), [&]<class T>() {
    map_elements<T, bool>(input, result, [](auto x) { return std::isnan(x); });
  });
  return {std::move(result)};
}

std::vector<Tensor> evaluate_is_inf(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const bool negative = context.node().attr_int("detect_negative", 1) != 0;
  const bool positive = context.node().attr_int("detect_positive", 1) != 0;
  Tensor result(DType::kBool, input.shape());
  dispatch_floating(input.dtype(), [&]<class T>() {
    map_elements<T, bool>(input, result, [=](auto x) { return std::isinf(x) && (x < 0 ? negative : positive); });
  });
  return {std::move(result)};
}

std::vector<Tensor> evaluate_bitwise_not(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(input.type());
  dispatch_integer(input.dtype(), [&]<class T>() {
    map_elements<T, T>(input, result, [](T x) { return static_cast<T>(~x); });
  });
  return {std::move(result)};
}

}  // namespace

void register_unary_predicates(Registry& registry) {
  const QuantTraits not_numeric{.flow = ValueFlow::kNotNumeric};
  registry.add({.type = "Not",
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_dtype(context.dtype(0), DType::kBool);
                  return {context.type(0)};
                },
                .evaluate = evaluate_not,
                .traits = not_numeric});
  registry.add({.type = "IsNaN", .first_opset = 9, .infer = bool_of_floating, .evaluate = evaluate_is_nan,
                .traits = not_numeric});
  registry.add({.type = "IsInf", .first_opset = 10, .infer = bool_of_floating, .evaluate = evaluate_is_inf,
                .traits = not_numeric});
  registry.add({.type = "BitwiseNot",
                .first_opset = 18,
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_integer(context.dtype(0));
                  return {context.type(0)};
                },
                .evaluate = evaluate_bitwise_not,
                .traits = not_numeric});
}

}  // namespace qtool::ops
