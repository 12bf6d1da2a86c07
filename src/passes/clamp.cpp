#include "clamp.h"

#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;

// nullopt: present but not constant.
std::optional<double> clip_bound(const Graph& graph, const Node& node, size_t slot, const char* attribute, double none) {
  constexpr int64_t kBoundsAreInputsSince = 11;
  if (node.opset < kBoundsAreInputsSince) return node.has_attribute(attribute) ? node.attr_float(attribute, 0.0f) : none;
  if (input_of(node, slot) == ir::kNoValue) return none;
  return scalar_constant(graph, node.inputs[slot]);
}

std::optional<Clamp> bounds_of(const Graph& graph, const Node& node) {
  if (is_op(node, "Relu")) return Clamp{.input = node.inputs[0], .low = 0.0};
  if (is_op(node, "Clip")) {
    Clamp clamp{.input = node.inputs[0]};
    const auto low = clip_bound(graph, node, 1, "min", clamp.low), high = clip_bound(graph, node, 2, "max", clamp.high);
    if (!low || !high) return std::nullopt;
    clamp.low = *low;
    clamp.high = *high;
    return clamp;
  }
  if (!is_op(node, "Min") && !is_op(node, "Max")) return std::nullopt;
  const auto operand = scalar_operand(graph, node);
  if (!operand) return std::nullopt;
  Clamp clamp{.input = operand->other};
  (node.op_type == "Min" ? clamp.high : clamp.low) = operand->scalar;
  return clamp;
}

}  // namespace

std::optional<Clamp> as_clamp(const Graph& graph, const Node& node) {
  auto clamp = bounds_of(graph, node);
  if (!clamp || !(clamp->low <= clamp->high)) return std::nullopt;
  const TensorType* type = known_type(graph, clamp->input);
  if (type == nullptr || type->dtype != DType::kFloat32) return std::nullopt;
  if (!same_known_type(graph, clamp->input, node.outputs[0])) return std::nullopt;
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (clamp->low <= -kLargest) clamp->low = -std::numeric_limits<double>::infinity();
  if (clamp->high >= kLargest) clamp->high = std::numeric_limits<double>::infinity();
  return clamp;
}

std::optional<Clamp> single_clamp(const Graph& graph, ir::ValueId value) {
  const ir::NodeId id = graph.producer(value);
  if (id == ir::kNoNode || graph.single_user(value) == ir::kNoNode) return std::nullopt;
  return as_clamp(graph, graph.node(id));
}

}  // namespace qtool::passes
