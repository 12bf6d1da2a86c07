// Cast and CastLike. `saturate` and `round_mode` only concern 8-bit floats, which tensors here cannot hold.
#include "element_cast.h"
#include "onnx_dtype.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

DType cast_target(const ir::Node& node) {
  if (!node.has_attribute("to")) invalid_model("attribute to is missing");
  return dtype_from_onnx(node.attr_int("to", 0));
}

}  // namespace

void register_cast(Registry& registry) {
  // To integers a cast yields indices or masks; between float types it keeps the values. Which one it is depends on
  // the node, and passes must not carry an encoding across either: the trait says the safe thing.
  const QuantTraits traits{.flow = ValueFlow::kNotNumeric};
  const char* notes = "no strings, complex numbers or 8-bit floats";
  registry.add({.type = "Cast",
                .first_opset = 6,
                .notes = notes,
                .infer = [](const InferContext& context) -> InferredTypes {
                  return {TensorType{cast_target(context.node()), context.shape(0)}};
                },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  return {cast_tensor(context.input(0), cast_target(context.node()))};
                },
                .traits = traits});
  registry.add({.type = "CastLike",
                .first_opset = 15,
                .notes = notes,
                .infer = [](const InferContext& context) -> InferredTypes {
                  return {TensorType{context.dtype(1), context.shape(0)}};
                },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  return {cast_tensor(context.input(0), context.input(1).dtype())};
                },
                .traits = traits});
}

}  // namespace qtool::ops
