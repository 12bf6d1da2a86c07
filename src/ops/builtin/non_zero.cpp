// NonZero: indices of the non-zero elements, one row an axis, in row-major order. The count depends on the data.
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const size_t rank = input.shape().rank();
  std::vector<int64_t> found;
  dispatch_dtype(input.dtype(), [&]<class T>() {
    const T* values = elements<T>(input);
    for (int64_t i = 0; i < input.element_count(); ++i) {
      if (static_cast<Compute<T>>(values[i]) != Compute<T>{0}) found.push_back(i);
    }
  });
  const auto count = static_cast<int64_t>(found.size());
  Tensor result(DType::kInt64, Shape{static_cast<int64_t>(rank), count});
  int64_t* target = result.mutable_data<int64_t>().data();
  for (size_t d = rank; d-- > 0;) {
    for (int64_t i = 0; i < count; ++i) {
      target[static_cast<int64_t>(d) * count + i] = found[static_cast<size_t>(i)] % input.shape()[d];
      found[static_cast<size_t>(i)] /= input.shape()[d];
    }
  }
  return {std::move(result)};
}

}  // namespace

void register_non_zero(Registry& registry) {
  registry.add({.type = "NonZero",
                .first_opset = 9,
                .infer = [](const InferContext&) -> InferredTypes { return {std::nullopt}; },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
