// GatherND: the last axis of indices addresses slices of data behind batch_dims shared leading axes.
#include <cstring>

#include "axes.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

struct Layout {
  size_t batch_dims = 0;
  size_t depth = 0;  // number of axes one index tuple addresses
  Shape result;
};

template <class Context>
Layout layout(const Context& context) {
  const Shape& data = operand_shape(context, 0);
  const Shape& indices = operand_shape(context, 1);
  if (indices.rank() == 0 || data.rank() == 0) invalid_model("data and indices must have at least one axis");
  const int64_t batch_dims = context.node().attr_int("batch_dims", 0);
  const int64_t depth = indices[indices.rank() - 1];
  const auto limit = static_cast<int64_t>(std::min(data.rank(), indices.rank()));
  if (batch_dims < 0 || batch_dims >= limit || depth < 1 || batch_dims + depth > static_cast<int64_t>(data.rank())) {
    invalid_model("indices of shape {} with batch_dims {} do not address data of shape {}", indices.text(), batch_dims, data.text());
  }
  Layout result{static_cast<size_t>(batch_dims), static_cast<size_t>(depth), {}};
  for (size_t d = 0; d < result.batch_dims; ++d) {
    if (data[d] != indices[d]) invalid_model("batch axis {} differs: data {}, indices {}", d, data.text(), indices.text());
  }
  std::vector<int64_t> dims(indices.begin(), indices.end() - 1);
  dims.insert(dims.end(), data.begin() + batch_dims + depth, data.end());
  result.result = Shape(std::move(dims));
  return result;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& data = context.input(0);
  const Shape& shape = data.shape();
  const Layout plan = layout(context);
  Tensor result(data.dtype(), plan.result);
  if (dtype_size_bytes(result.dtype()) == 0) throw_unsupported_dtype(result.dtype(), "GatherND");
  const size_t first_inner = plan.batch_dims + plan.depth;
  const size_t slice_bytes = static_cast<size_t>(shape.span_count(first_inner, shape.rank())) * dtype_size_bytes(data.dtype());
  if (result.empty()) return {std::move(result)};
  const Tensor wide = context.input(1).cast(DType::kInt64);
  const int64_t* tuple = wide.data<int64_t>().data();
  const int64_t batches = shape.span_count(0, plan.batch_dims);
  const int64_t batch_slices = shape.span_count(plan.batch_dims, first_inner);
  const int64_t tuples = wide.element_count() / static_cast<int64_t>(plan.depth) / batches;
  const auto* source = static_cast<const std::byte*>(data.raw());
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t t = 0; t < tuples; ++t, tuple += plan.depth, target += slice_bytes) {
      int64_t slice = 0;
      for (size_t d = 0; d < plan.depth; ++d) {
        const int64_t length = shape[plan.batch_dims + d];
        slice = slice * length + checked_index(tuple[d], length);
      }
      std::memcpy(target, source + static_cast<size_t>(b * batch_slices + slice) * slice_bytes, slice_bytes);
    }
  }
  return {std::move(result)};
}

}  // namespace

void register_gather_nd(Registry& registry) {
  registry.add({.type = "GatherND",
                .first_opset = 11,
                .infer = [](const InferContext& context) -> InferredTypes {
                  return {TensorType{context.dtype(0), layout(context).result}};
                },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
