// Gather: slices of one axis by index.
#include <cstring>

#include "axes.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& data = operand_shape(context, 0);
  const Shape& indices = operand_shape(context, 1);
  const size_t axis = data.normalize_axis(context.node().attr_int("axis", 0));
  std::vector<int64_t> dims(data.begin(), data.begin() + static_cast<int64_t>(axis));
  dims.insert(dims.end(), indices.begin(), indices.end());
  dims.insert(dims.end(), data.begin() + static_cast<int64_t>(axis) + 1, data.end());
  return {TensorType{operand_dtype(context, 0), Shape(std::move(dims))}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& data = context.input(0);
  Tensor result(settled(types(context)));
  if (dtype_size_bytes(result.dtype()) == 0) throw_unsupported_dtype(result.dtype(), "Gather");
  const AxisView view = view_around(data.shape(), data.shape().normalize_axis(context.node().attr_int("axis", 0)));
  std::vector<int64_t> indices = context.input(1).to_int64();
  for (int64_t& index : indices) index = checked_index(index, view.length);
  const size_t slice_bytes = static_cast<size_t>(view.inner) * dtype_size_bytes(data.dtype());
  if (slice_bytes == 0) return {std::move(result)};
  const auto* source = static_cast<const std::byte*>(data.raw());
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  for (int64_t o = 0; o < view.outer; ++o) {
    for (const int64_t index : indices) {
      std::memcpy(target, source + static_cast<size_t>(o * view.length + index) * slice_bytes, slice_bytes);
      target += slice_bytes;
    }
  }
  return {std::move(result)};
}

}  // namespace

void register_gather(Registry& registry) {
  registry.add({.type = "Gather",
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
