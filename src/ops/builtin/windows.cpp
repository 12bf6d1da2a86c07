// HannWindow, HammingWindow, BlackmanWindow: sums of cosines over one period.
#include <array>
#include <cmath>
#include <numbers>

#include "onnx_dtype.h"
#include "operands.h"
#include "qtool/ops/registry.h"
#include "real_values.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

// w[i] = a0 - a1 cos(t) + a2 cos(2 t), t = 2 pi i / length.
using Coefficients = std::array<double, 3>;

template <class Context>
InferredTypes types(const Context& context) {
  require_integer(operand_dtype(context, 0));
  const Tensor* size = known_operand(context, 0);
  if (size == nullptr) return {std::nullopt};
  const int64_t length = single_int(*size, "the size of a window");
  if (length < 0) invalid_model("a window of {} samples", length);
  return {TensorType{dtype_from_onnx(context.node().attr_int("output_datatype", 1)), Shape{length}}};
}

std::vector<Tensor> evaluate(const EvalContext& context, const Coefficients& a) {
  const TensorType type = settled(types(context));
  const int64_t length = type.shape[0];
  const bool periodic = context.node().attr_int("periodic", 1) != 0;
  const double period = static_cast<double>(periodic ? length : length - 1);
  Reals window(static_cast<size_t>(length));
  for (size_t i = 0; i < window.size(); ++i) {
    const double t = 2.0 * std::numbers::pi * static_cast<double>(i) / period;
    window[i] = a[0] - a[1] * std::cos(t) + a[2] * std::cos(2.0 * t);
  }
  return {from_reals(type.dtype, type.shape, window)};
}

OpDef window(const char* type, const Coefficients& coefficients) {
  return {.type = type, .first_opset = 17, .infer = types<InferContext>,
          .evaluate = [=](const EvalContext& context) { return evaluate(context, coefficients); },
          .traits = {.flow = ValueFlow::kNotNumeric}};
}

}  // namespace

void register_windows(Registry& registry) {
  registry.add(window("HannWindow", {0.5, 0.5, 0.0}));
  registry.add(window("HammingWindow", {25.0 / 46.0, 21.0 / 46.0, 0.0}));
  registry.add(window("BlackmanWindow", {0.42, 0.5, 0.08}));
}

}  // namespace qtool::ops
