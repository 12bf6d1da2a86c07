// Writes a BatchNormalization that no layer could take as a multiplication and an addition.
// BEFORE   x -> BatchNormalization -> y        AFTER   x -> Mul(s) -> Add(t) -> y
// REQUIRES parameters are float32 constants; inference; rank of x at least 2
// FORMULA  s = gamma / sqrt(var + eps);  t = beta - mean * s   (in double);  shape [C, 1, ...] over the axes behind C
// SOURCE   the definition of the operator
#include "qtool/passes/linear_layer.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

Tensor channel_tensor(const std::vector<double>& values, size_t rank) {
  std::vector<int64_t> dims(rank - kChannelAxis, 1);
  dims[0] = static_cast<int64_t>(values.size());
  Tensor result(DType::kFloat32, Shape(std::move(dims)));
  const auto target = result.mutable_data<float>();
  for (size_t c = 0; c < values.size(); ++c) target[c] = static_cast<float>(values[c]);
  return result;
}

bool rewrite(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  const auto affine = batch_norm_affine(graph, node);
  const TensorType* type = known_type(graph, node.outputs[0]);
  if (!affine || type == nullptr || type->shape.rank() < 2 || type->dtype != DType::kFloat32) return false;
  const std::string name = node.name;
  const int64_t opset = node.opset;
  const ir::ValueId source = node.inputs[0], output = node.outputs[0];
  const size_t rank = type->shape.rank();
  const ir::ValueId scale = add_constant(graph, name + ".scale", channel_tensor(affine->scale, rank));
  const ir::ValueId shift = add_constant(graph, name + ".shift", channel_tensor(affine->shift, rank));
  const ir::ValueId scaled = graph.add_value(graph.unique_name(graph.value(output).name + ".scaled"), graph.type_of(output));
  graph.add_node({.name = name + ".scale", .op_type = "Mul", .opset = opset, .inputs = {source, scale}, .outputs = {scaled}});
  replace_producer(graph, output, {.op_type = "Add", .inputs = {scaled, shift}});
  return true;
}

}  // namespace

void register_rewrite_batch_norm(Registry& registry) {
  registry.add_rewrite({.name = "rewrite_batch_norm",
                        .summary = "Writes batch normalization that stands alone as Mul and Add.",
                        .category = PassCategory::kCleanupLast,
                        .order = 20},
                       rewrite);
}

}  // namespace qtool::passes
