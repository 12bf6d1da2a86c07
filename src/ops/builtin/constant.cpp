// Constant: exactly one value attribute. The importer turns most of these into graph constants.
#include "operands.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

Tensor constant_value(const ir::Node& node) {
  if (const Tensor* value = node.attr_tensor("value")) return *value;
  if (node.has_attribute("value_float")) return Tensor::scalar(node.attr_float("value_float", 0.0f));
  if (node.has_attribute("value_int")) return Tensor::scalar(node.attr_int("value_int", 0));
  if (node.has_attribute("value_floats")) {
    const std::vector<float> values = node.attr_floats("value_floats");
    return Tensor::from<float>(Shape{static_cast<int64_t>(values.size())}, std::span(values));
  }
  if (node.has_attribute("value_ints")) {
    const std::vector<int64_t> values = node.attr_ints("value_ints");
    return Tensor::from<int64_t>(Shape{static_cast<int64_t>(values.size())}, std::span(values));
  }
  for (const char* key : {"value_string", "value_strings", "sparse_value"}) {
    if (node.has_attribute(key)) throw Error(ErrorCode::kUnsupported, format("attribute {} is not supported", key));
  }
  invalid_model("no value attribute");
}

}  // namespace

void register_constant(Registry& registry) {
  registry.add({.type = "Constant",
                .notes = "no strings, no sparse values",
                .infer = [](const InferContext& context) -> InferredTypes { return {constant_value(context.node()).type()}; },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> { return {constant_value(context.node())}; }});
}

}  // namespace qtool::ops
