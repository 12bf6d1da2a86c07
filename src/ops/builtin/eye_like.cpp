// EyeLike: ones on diagonal k of a matrix of the input's shape.
#include "onnx_dtype.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  TensorType type = operand_type(context, 0);
  if (type.shape.rank() != 2) invalid_model("expected a matrix, found shape {}", type.shape.text());
  if (context.node().has_attribute("dtype")) type.dtype = dtype_from_onnx(context.node().attr_int("dtype", 1));
  return {std::move(type)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const int64_t k = context.node().attr_int("k", 0), rows = result.shape()[0], columns = result.shape()[1];
  dispatch_dtype(result.dtype(), [&]<class T>() {
    T* target = mutable_elements<T>(result);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t column = wrapping_add(row, k);
      if (column >= 0 && column < columns) target[row * columns + column] = T(1.0f);
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_eye_like(Registry& registry) {
  registry.add({.type = "EyeLike", .first_opset = 9, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
