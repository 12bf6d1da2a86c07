// Compress: keeps the slices of one axis (of the flattened input without axis) where the condition holds.
#include <cstring>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

struct Selection {
  AxisView view;
  std::optional<size_t> axis;       // none: flattened
  std::vector<int64_t> slices;
};

template <class Context>
std::optional<Selection> select(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  require_dtype(operand_dtype(context, 1), DType::kBool);
  const Tensor* condition = known_operand(context, 1);
  if (condition == nullptr) return std::nullopt;
  Selection result{{1, input.element_count(), 1}, std::nullopt, {}};
  if (context.node().has_attribute("axis")) {
    result.axis = input.normalize_axis(context.node().attr_int("axis", 0));
    result.view = view_around(input, *result.axis);
  }
  const auto flags = condition->template data<bool>();
  for (size_t i = 0; i < flags.size(); ++i) {
    if (!flags[i]) continue;
    if (static_cast<int64_t>(i) >= result.view.length) invalid_model("condition selects slice {} of {}", i, result.view.length);
    result.slices.push_back(static_cast<int64_t>(i));
  }
  return result;
}

Shape selected_shape(const Shape& input, const Selection& selection) {
  const auto count = static_cast<int64_t>(selection.slices.size());
  if (!selection.axis) return Shape{count};
  Shape shape = input;
  shape[*selection.axis] = count;
  return shape;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Selection selection = *select(context);
  Tensor result(input.dtype(), selected_shape(input.shape(), selection));
  const AxisView& view = selection.view;
  const size_t slice_bytes = static_cast<size_t>(view.inner) * dtype_size_bytes(input.dtype());
  if (result.size_bytes() == 0) return {std::move(result)};
  const auto* source = static_cast<const std::byte*>(input.raw());
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  for (int64_t o = 0; o < view.outer; ++o) {
    for (const int64_t slice : selection.slices) {
      std::memcpy(target, source + static_cast<size_t>(o * view.length + slice) * slice_bytes, slice_bytes);
      target += slice_bytes;
    }
  }
  return {std::move(result)};
}

}  // namespace

void register_compress(Registry& registry) {
  registry.add({.type = "Compress",
                .first_opset = 9,
                .infer = [](const InferContext& context) -> InferredTypes {
                  const auto selection = select(context);
                  if (!selection) return {std::nullopt};
                  return {TensorType{context.dtype(0), selected_shape(context.shape(0), *selection)}};
                },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
