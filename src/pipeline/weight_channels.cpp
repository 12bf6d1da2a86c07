#include "weight_channels.h"

#include "qtool/ops/registry.h"

namespace qtool::pipeline {

std::optional<int> weight_channel_axis(const ir::Graph& graph, ir::ValueId value) {
  if (!graph.is_constant(value) || graph.value(value).uses.empty()) return std::nullopt;
  const ir::Node& node = graph.node(graph.value(value).uses[0]);
  const ops::OpDef* op = ops::builtin_registry().find(node.domain, node.op_type);
  if (op == nullptr || op->traits.weight_input < 0 || !op->traits.weight_channel_axis) return std::nullopt;
  const auto slot = static_cast<size_t>(op->traits.weight_input);
  if (slot >= node.inputs.size() || node.inputs[slot] != value) return std::nullopt;
  return static_cast<int>(graph.type_of(value).shape.normalize_axis(op->traits.weight_channel_axis(node)));
}

}  // namespace qtool::pipeline
