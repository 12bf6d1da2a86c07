// ConstantOfShape: a tensor of the given shape, filled with one value (float 0 by default).
#include "operands.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

Tensor fill_value(const ir::Node& node) {
  const Tensor* value = node.attr_tensor("value");
  if (value == nullptr) return Tensor::scalar(0.0f);
  if (value->element_count() != 1) invalid_model("attribute value must have one element, found shape {}", value->shape().text());
  return *value;
}

template <class Context>
InferredTypes types(const Context& context) {
  const IntList dims = int_list_input(context, 0);
  if (dims.absent()) invalid_model("input 0 (shape) is missing");
  if (dims.unknown()) return {std::nullopt};
  Shape shape(dims.values);
  (void)shape.element_count();  // refuses negative dimensions
  return {TensorType{fill_value(context.node()).dtype(), std::move(shape)}};
}

}  // namespace

void register_constant_of_shape(Registry& registry) {
  registry.add({.type = "ConstantOfShape",
                .first_opset = 9,
                .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  const Shape shape = settled(types(context)).shape;
                  const std::vector<int64_t> nowhere(shape.rank(), 0);
                  return {copy_view(fill_value(context.node()), 0, shape.dims(), nowhere, shape)};
                }});
}

}  // namespace qtool::ops
