// Where: picks from X or Y by a bool condition, all three broadcast.
#include "qtool/ops/registry.h"
#include "strided_loop.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_dtype(operand_dtype(context, 0), DType::kBool);
  require_same_dtype(context, 1, 2);
  const Shape values = broadcast_shapes(operand_shape(context, 1), operand_shape(context, 2));
  return {TensorType{operand_dtype(context, 1), broadcast_shapes(operand_shape(context, 0), values)}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const Tensor &condition = context.input(0), &when_true = context.input(1), &when_false = context.input(2);
  const StridedLoop<3> loop(result.shape().dims(), {broadcast_strides(condition.shape(), result.shape()),
                                                    broadcast_strides(when_true.shape(), result.shape()),
                                                    broadcast_strides(when_false.shape(), result.shape())});
  const int64_t step_c = loop.run_step(0), step_t = loop.run_step(1), step_f = loop.run_step(2);
  dispatch_element_size(result.dtype(), [&]<class T>() {
    T* target = mutable_elements<T>(result);
    loop.for_each_run([&](const auto& offsets, int64_t length) {
      const bool* c = elements<bool>(condition) + offsets[0];
      const T* t = elements<T>(when_true) + offsets[1];
      const T* f = elements<T>(when_false) + offsets[2];
      for (int64_t i = 0; i < length; ++i) target[i] = c[i * step_c] ? t[i * step_t] : f[i * step_f];
      target += length;
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_where(Registry& registry) {
  registry.add({.type = "Where", .first_opset = 9, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
