#include "activation_patterns.h"

#include <limits>

namespace qtool::exec {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;

const Node* find_silu_product(const Graph& graph, const Node& sigmoid) {
  for (const NodeId user : graph.value(sigmoid.outputs[0]).uses) {
    const Node& mul = graph.node(user);
    if (mul.op_type != "Mul" || mul.inputs.size() != 2) continue;
    const bool product = (mul.inputs[0] == sigmoid.inputs[0] && mul.inputs[1] == sigmoid.outputs[0]) ||
                         (mul.inputs[1] == sigmoid.inputs[0] && mul.inputs[0] == sigmoid.outputs[0]);
    if (product) return &mul;
  }
  return nullptr;
}

std::optional<FusedActivation> constant_clip(const Graph& graph, const Node& node) {
  if (node.op_type != "Clip") return std::nullopt;
  const auto bound = [&](size_t slot, std::string_view attribute, float fallback) -> std::optional<float> {
    if (slot < node.inputs.size() && node.inputs[slot] != kNoValue) {
      const Tensor* value = graph.constant(node.inputs[slot]);
      if (value == nullptr || value->element_count() != 1) return std::nullopt;
      return value->to_float()[0];
    }
    return node.attr_float(attribute, fallback);
  };
  const auto lo = bound(1, "min", -std::numeric_limits<float>::infinity());
  const auto hi = bound(2, "max", std::numeric_limits<float>::infinity());
  if (!lo || !hi || *lo > *hi) return std::nullopt;
  return FusedActivation{FusedActivation::Kind::kClip, *lo, *hi};
}

}  // namespace qtool::exec
