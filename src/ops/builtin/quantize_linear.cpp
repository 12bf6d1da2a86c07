// QuantizeLinear: saturate(round_half_even(x / scale) + zero_point).
#include <cmath>

#include "onnx_dtype.h"
#include "qtool/ops/registry.h"
#include "quantization_grid.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
DType result_dtype(const Context& context) {
  const int64_t code = context.node().attr_int("output_dtype", 0);
  if (context.has_input(2)) {
    const DType dtype = operand_dtype(context, 2);
    if (code != 0 && dtype_from_onnx(code) != dtype) {
      invalid_model("output_dtype is {}, the zero point is {}", dtype_name(dtype_from_onnx(code)), dtype_name(dtype));
    }
    return dtype;
  }
  return code == 0 ? DType::kUInt8 : dtype_from_onnx(code);
}

template <class Context>
InferredTypes types(const Context& context) {
  require_floating(operand_dtype(context, 1));
  require_numeric(operand_dtype(context, 0));
  (void)quantization_grid(context);
  const DType dtype = result_dtype(context);
  (void)quantized_range(dtype);
  return {TensorType{dtype, operand_shape(context, 0)}};
}

// The type the division happens in. Its rounding decides ties, so it is part of the result: the attribute
// `precision` (opset 23) names it, else it is the wider of data and scale.
DType division_dtype(const EvalContext& context) {
  const int64_t code = context.node().attr_int("precision", 0);
  if (code != 0) return dtype_from_onnx(code);
  const DType data = context.input(0).dtype(), scale = context.input(1).dtype();
  return is_integer(data) || data == scale ? scale : DType::kFloat32;
}

struct QuantizeOptions {
  const QuantizationGrid& grid;
  IntegerRange range;
};

// P: the type of the division, Q: the level type.
template <class P, class Q>
void quantize(const EvalContext& context, const QuantizeOptions& options, Tensor& result) {
  const Tensor dividends = context.input(0).cast(DTypeOf<P>::value);
  const P* data = elements<P>(dividends);
  const Tensor scales = context.input(1).cast(DType::kFloat64);
  const double* scale = elements<double>(scales);
  const Q* zero_point = context.has_input(2) ? elements<Q>(context.input(2)) : nullptr;
  Q* target = mutable_elements<Q>(result);
  const auto lowest = static_cast<double>(options.range.lowest), highest = static_cast<double>(options.range.highest);
  options.grid.for_each_span([&](int64_t first, int64_t count, int64_t parameter, int64_t step) {
    for (int64_t i = 0; i < count; ++i, parameter += step) {
      const double zero = zero_point == nullptr ? 0.0 : static_cast<double>(zero_point[parameter]);
      const auto divisor = static_cast<Compute<P>>(static_cast<P>(scale[parameter]));
      const auto dividend = static_cast<Compute<P>>(data[first + i]);
      const P quotient = static_cast<P>(dividend / divisor);
      const double level = std::nearbyint(static_cast<double>(quotient)) + zero;
      // NaN (0 / 0) has no level; it becomes the zero point.
      const double bounded = std::isnan(level) ? zero : level < lowest ? lowest : level > highest ? highest : level;
      target[first + i] = static_cast<Q>(bounded);
    }
  });
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const QuantizationGrid grid = quantization_grid(context);
  const QuantizeOptions options{grid, quantized_range(result.dtype())};
  dispatch_floating(division_dtype(context), [&]<class P>() {
    dispatch_integer(result.dtype(), [&]<class Q>() {
      if constexpr (sizeof(Q) <= 2) {
        quantize<P, Q>(context, options, result);
      }
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_quantize_linear(Registry& registry) {
  registry.add({.type = "QuantizeLinear",
                .first_opset = 10,
                .notes = "integer types only, no 8-bit or 4-bit floats",
                .infer = types<InferContext>,
                .evaluate = evaluate});
}

}  // namespace qtool::ops
