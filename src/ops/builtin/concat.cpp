// Concat along one axis.
#include <cstring>

#include "axes.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  if (!context.node().has_attribute("axis")) invalid_model("attribute axis is missing");
  Shape shape = operand_shape(context, 0);
  const size_t axis = shape.normalize_axis(context.node().attr_int("axis", 0));
  for (size_t i = 1; i < context.input_count(); ++i) {
    require_same_dtype(context, 0, i);
    const Shape& next = operand_shape(context, i);
    bool fits = next.rank() == shape.rank();
    for (size_t d = 0; fits && d < shape.rank(); ++d) fits = d == axis || next[d] == shape[d];
    if (!fits) {
      invalid_model("input {} of shape {} does not join input 0 of shape {} along axis {}", i, next.text(),
                    operand_shape(context, 0).text(), axis);
    }
    shape[axis] += next[axis];
  }
  return {TensorType{operand_dtype(context, 0), std::move(shape)}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  if (dtype_size_bytes(result.dtype()) == 0) throw_unsupported_dtype(result.dtype(), "Concat");
  const size_t axis = result.shape().normalize_axis(context.node().attr_int("axis", 0));
  const AxisView whole = view_around(result.shape(), axis);
  const size_t slice_bytes = static_cast<size_t>(whole.inner) * dtype_size_bytes(result.dtype());
  const size_t row_bytes = static_cast<size_t>(whole.length) * slice_bytes;
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  for (size_t i = 0; i < context.input_count(); ++i) {
    const auto* source = static_cast<const std::byte*>(context.input(i).raw());
    const size_t part_bytes = static_cast<size_t>(context.input(i).shape()[axis]) * slice_bytes;
    if (part_bytes == 0) continue;
    for (int64_t o = 0; o < whole.outer; ++o) {
      std::memcpy(target + static_cast<size_t>(o) * row_bytes, source + static_cast<size_t>(o) * part_bytes, part_bytes);
    }
    target += part_bytes;
  }
  return {std::move(result)};
}

}  // namespace

void register_concat(Registry& registry) {
  registry.add({.type = "Concat",
                .first_opset = 4,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kJoinsInputs}});
}

}  // namespace qtool::ops
