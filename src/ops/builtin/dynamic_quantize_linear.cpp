// DynamicQuantizeLinear: uint8 over the range of the data, extended to hold zero. Float arithmetic as the standard
// writes it, because its rounding decides ties.
#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_dtype(operand_dtype(context, 0), DType::kFloat32);
  return {TensorType{DType::kUInt8, operand_shape(context, 0)}, TensorType{DType::kFloat32, Shape{}},
          TensorType{DType::kUInt8, Shape{}}};
}

uint8_t saturate(float level) { return static_cast<uint8_t>(std::isnan(level) ? 0.0f : std::clamp(level, 0.0f, 255.0f)); }

std::vector<Tensor> evaluate(const EvalContext& context) {
  const InferredTypes result_types = types(context);
  const auto input = context.input(0).data<float>();
  float lowest = 0.0f, highest = 0.0f;
  for (const float x : input) {
    lowest = std::min(lowest, x);
    highest = std::max(highest, x);
  }
  // All zero: any scale represents it; 1 avoids the division by zero.
  const float scale = highest == lowest ? 1.0f : (highest - lowest) / 255.0f;
  const uint8_t zero_point = saturate(std::nearbyint(-lowest / scale));
  Tensor result(settled(result_types));
  uint8_t* target = result.mutable_data<uint8_t>().data();
  for (size_t i = 0; i < input.size(); ++i) {
    target[i] = saturate(std::nearbyint(input[i] / scale) + static_cast<float>(zero_point));
  }
  return {std::move(result), Tensor::scalar(scale), Tensor::scalar(zero_point)};
}

}  // namespace

void register_dynamic_quantize_linear(Registry& registry) {
  registry.add({.type = "DynamicQuantizeLinear", .first_opset = 11, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
