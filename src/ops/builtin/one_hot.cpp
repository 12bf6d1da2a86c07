// OneHot: a new axis of length depth that holds the on value where the index points and the off value elsewhere;
// indices outside -depth..depth-1 give all off.
#include "axes.h"
#include "element_cast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
size_t new_axis(const Context& context) {
  const auto rank = static_cast<int64_t>(operand_shape(context, 0).rank());
  const int64_t axis = context.node().attr_int("axis", -1);
  if (axis < -rank - 1 || axis > rank) invalid_model("axis {} does not fit indices of rank {}", axis, rank);
  return static_cast<size_t>(axis < 0 ? axis + rank + 1 : axis);
}

template <class Context>
InferredTypes types(const Context& context) {
  (void)operand_shape(context, 1);  // refuses a missing depth
  const Tensor* depth = known_operand(context, 1);
  if (depth == nullptr) return {std::nullopt};
  std::vector<int64_t> dims = operand_shape(context, 0).dims();
  const int64_t length = single_int(*depth, "depth");
  if (length < 0) invalid_model("depth is {}", length);
  dims.insert(dims.begin() + static_cast<int64_t>(new_axis(context)), length);
  return {TensorType{operand_dtype(context, 2), Shape(std::move(dims))}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const Tensor& values = context.input(2);
  if (values.element_count() != 2) invalid_model("values must be [off, on], found shape {}", values.shape().text());
  const AxisView view = view_around(result.shape(), new_axis(context));
  const Tensor indices = cast_tensor(context.input(0), DType::kInt64);
  const int64_t* index = indices.data<int64_t>().data();
  dispatch_element_size(result.dtype(), [&]<class T>() {
    const T off = elements<T>(values)[0], on = elements<T>(values)[1];
    T* target = mutable_elements<T>(result);
    std::fill_n(target, result.element_count(), off);
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const int64_t at = *index < 0 ? *index + view.length : *index;
        ++index;
        if (at >= 0 && at < view.length) target[(o * view.length + at) * view.inner + i] = on;
      }
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_one_hot(Registry& registry) {
  registry.add({.type = "OneHot", .first_opset = 9, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
