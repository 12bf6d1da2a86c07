// ScatterND: writes slices of updates where the last axis of indices points.
#include "axes.h"
#include "qtool/ops/registry.h"
#include "scatter_reduction.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 2);
  const Shape& data = operand_shape(context, 0);
  const Shape& indices = operand_shape(context, 1);
  const Shape& updates = operand_shape(context, 2);
  if (indices.rank() == 0) invalid_model("indices must have at least one axis");
  const int64_t depth = indices[indices.rank() - 1];
  if (depth < 0 || depth > static_cast<int64_t>(data.rank())) {
    invalid_model("indices of shape {} do not address data of shape {}", indices.text(), data.text());
  }
  std::vector<int64_t> expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), data.begin() + depth, data.end());
  if (updates.dims() != expected) invalid_model("updates have shape {}, expected {}", updates.text(), Shape(expected).text());
  return {operand_type(context, 0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  (void)types(context);
  const Tensor& updates = context.input(2);
  Tensor result = context.input(0).clone();
  const Shape& shape = result.shape();
  const Tensor wide = context.input(1).cast(DType::kInt64);
  const int64_t* tuple = wide.data<int64_t>().data();
  const auto depth = static_cast<size_t>(wide.shape()[wide.shape().rank() - 1]);
  const int64_t tuples = wide.shape().span_count(0, wide.shape().rank() - 1);
  const int64_t slice_length = shape.span_count(depth, shape.rank());
  const ScatterReduction reduction = scatter_reduction(context.node());
  dispatch_dtype(result.dtype(), [&]<class T>() {
    const T* update = elements<T>(updates);
    for (int64_t t = 0; t < tuples; ++t, tuple += depth) {
      int64_t slice = 0;
      for (size_t d = 0; d < depth; ++d) slice = slice * shape[d] + checked_index(tuple[d], shape[d]);
      T* target = mutable_elements<T>(result) + slice * slice_length;
      for (int64_t i = 0; i < slice_length; ++i) scatter_into(target[i], *update++, reduction);
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_scatter_nd(Registry& registry) {
  registry.add({.type = "ScatterND", .first_opset = 11, .infer = types<InferContext>, .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kJoinsInputs}});
}

}  // namespace qtool::ops
