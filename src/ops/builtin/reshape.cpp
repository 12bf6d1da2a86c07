// Reshape, Flatten, Squeeze, Unsqueeze: another shape over the same elements; the buffer is shared.
#include <algorithm>

#include "axes.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

using MaybeShape = std::optional<Shape>;

template <class Context>
MaybeShape reshape_shape(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const IntList requested = int_list_input(context, 1);
  if (requested.absent()) invalid_model("input 1 (shape) is missing");
  if (requested.unknown()) return std::nullopt;
  const bool zero_is_zero = context.node().attr_int("allowzero", 0) != 0;
  std::vector<int64_t> dims = requested.values;
  std::optional<size_t> open;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !zero_is_zero) {
      if (i >= input.rank()) invalid_model("shape [{}] copies dimension {} of an input of shape {}", join(dims, ", "), i, input.text());
      dims[i] = input[i];
    }
    if (dims[i] == -1) {
      if (open) invalid_model("shape [{}] has more than one -1", join(requested.values, ", "));
      open = i;
    } else if (dims[i] < 0) {
      invalid_model("shape [{}] has a negative dimension", join(requested.values, ", "));
    }
  }
  std::vector<int64_t> settled_dims = dims;
  if (open) settled_dims[*open] = 1;
  const int64_t known = Shape(std::move(settled_dims)).element_count();  // refuses products that overflow
  const int64_t count = input.element_count();
  if (open) {
    if (known == 0) {
      // Nothing constrains the open dimension of an empty tensor; 0 keeps the element count.
      if (count != 0 || zero_is_zero) invalid_model("shape [{}] leaves -1 undetermined for an input of shape {}", join(requested.values, ", "), input.text());
      dims[*open] = 0;
    } else {
      if (count % known != 0) invalid_model("input of shape {} cannot become [{}]", input.text(), join(requested.values, ", "));
      dims[*open] = count / known;
    }
  } else if (known != count) {
    invalid_model("input of shape {} has {} elements, the requested shape [{}] has {}", input.text(), count, join(dims, ", "), known);
  }
  return Shape(std::move(dims));
}

template <class Context>
MaybeShape flatten_shape(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const auto rank = static_cast<int64_t>(input.rank());
  const int64_t axis = context.node().attr_int("axis", 1);
  if (axis < -rank || axis > rank) invalid_model("axis {} is outside a tensor of shape {}", axis, input.text());
  const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return Shape{input.span_count(0, at), input.span_count(at, input.rank())};
}

template <class Context>
MaybeShape squeeze_shape(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const IntList axes = int_list(context, "axes", 1, 13);
  if (axes.unknown()) return std::nullopt;
  const std::vector<bool> listed = axis_mask(axes.values, input.rank());
  std::vector<int64_t> dims;
  for (size_t i = 0; i < input.rank(); ++i) {
    const bool remove = axes.absent() ? input[i] == 1 : listed[i];
    if (remove && input[i] != 1) invalid_model("axis {} of shape {} is not 1 and cannot be squeezed", i, input.text());
    if (!remove) dims.push_back(input[i]);
  }
  return Shape(std::move(dims));
}

template <class Context>
MaybeShape unsqueeze_shape(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const IntList axes = int_list(context, "axes", 1, 13);
  if (axes.absent()) invalid_model("axes are missing");
  if (axes.unknown()) return std::nullopt;
  // Axes count in the result.
  const std::vector<bool> inserted = axis_mask(axes.values, input.rank() + axes.values.size());
  std::vector<int64_t> dims;
  size_t next = 0;
  for (const bool is_new : inserted) dims.push_back(is_new ? 1 : input[next++]);
  return Shape(std::move(dims));
}

template <MaybeShape (*infer_shape)(const InferContext&), MaybeShape (*evaluate_shape)(const EvalContext&)>
OpDef view_operator(const char* type, int64_t first_opset) {
  return {.type = type,
          .first_opset = first_opset,
          .infer = [](const InferContext& context) -> InferredTypes {
            MaybeShape shape = infer_shape(context);
            if (!shape) return {std::nullopt};
            return {TensorType{context.dtype(0), std::move(*shape)}};
          },
          .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
            return {context.input(0).reshaped(*evaluate_shape(context))};
          },
          .traits = {.flow = ValueFlow::kMovesData}};
}

}  // namespace

void register_reshape(Registry& registry) {
  registry.add(view_operator<reshape_shape<InferContext>, reshape_shape<EvalContext>>("Reshape", 5));
  registry.add(view_operator<flatten_shape<InferContext>, flatten_shape<EvalContext>>("Flatten", 1));
  registry.add(view_operator<squeeze_shape<InferContext>, squeeze_shape<EvalContext>>("Squeeze", 1));
  registry.add(view_operator<unsqueeze_shape<InferContext>, unsqueeze_shape<EvalContext>>("Unsqueeze", 1));
}

}  // namespace qtool::ops
