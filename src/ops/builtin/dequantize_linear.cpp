// DequantizeLinear: (x - zero_point) * scale.
#include "onnx_dtype.h"
#include "qtool/ops/registry.h"
#include "quantization_grid.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_integer(operand_dtype(context, 0));
  require_floating(operand_dtype(context, 1));
  if (context.has_input(2)) require_same_dtype(context, 0, 2);
  (void)quantization_grid(context);
  const int64_t code = context.node().attr_int("output_dtype", 0);
  return {TensorType{code == 0 ? operand_dtype(context, 1) : dtype_from_onnx(code), operand_shape(context, 0)}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const QuantizationGrid grid = quantization_grid(context);
  const Tensor scales = context.input(1).cast(DType::kFloat64);
  const double* scale = elements<double>(scales);
  dispatch_integer(context.input(0).dtype(), [&]<class Q>() {
    const Q* data = elements<Q>(context.input(0));
    const Q* zero_point = context.has_input(2) ? elements<Q>(context.input(2)) : nullptr;
    dispatch_floating(result.dtype(), [&]<class T>() {
      T* target = mutable_elements<T>(result);
      grid.for_each_span([&](int64_t first, int64_t count, int64_t parameter, int64_t step) {
        for (int64_t i = 0; i < count; ++i, parameter += step) {
          const double zero = zero_point == nullptr ? 0.0 : static_cast<double>(zero_point[parameter]);
          // Exact in double for every level of up to 29 bits, so the one rounding is the final one.
          target[first + i] = static_cast<T>((static_cast<double>(data[first + i]) - zero) * scale[parameter]);
        }
      });
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_dequantize_linear(Registry& registry) {
  registry.add({.type = "DequantizeLinear",
                .first_opset = 10,
                .notes = "integer types only, no 8-bit or 4-bit floats",
                .infer = types<InferContext>,
                .evaluate = evaluate});
}

}  // namespace qtool::ops
