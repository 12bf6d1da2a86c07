#include "legacy_broadcast.h"

#include <array>
#include <numeric>
#include <optional>
#include <string_view>

#include "operands.h"

namespace qtool::ops {

namespace {

constexpr int64_t kNumpyBroadcastSince = 7;

bool is_aligned_by_attribute(std::string_view op_type) {
  constexpr std::array kTypes{"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"};
  return std::find(kTypes.begin(), kTypes.end(), op_type) != kTypes.end();
}

// The axis of operand 0 that the first axis of operand 1 lies on; nullopt: aligned at the end.
std::optional<size_t> first_axis(const ir::Node& node, const Shape& first, const Shape& second) {
  if (node.op_type == "PRelu") {  // a slope a channel
    if (second.rank() != 1 || second[0] == 1 || first.rank() < 2) return std::nullopt;
    return 1;
  }
  if (node.attr_int("broadcast", 0) == 0) {
    if (first != second) invalid_model("operands of shape {} and {} without attribute broadcast", first.text(), second.text());
    return std::nullopt;
  }
  if (!node.has_attribute("axis")) return std::nullopt;
  return first.normalize_axis(node.attr_int("axis", 0));
}

ir::NodeId add_unsqueeze(ir::Graph& graph, ir::NodeId id, int64_t from, int64_t to) {
  std::vector<int64_t> axes(static_cast<size_t>(to - from));
  std::iota(axes.begin(), axes.end(), from);
  const ir::ValueId operand = graph.node(id).inputs[1];
  const ir::ValueId aligned = graph.add_value(graph.unique_name(graph.value(operand).name + "_aligned"));
  const ir::NodeId unsqueeze = graph.add_node({.op_type = "Unsqueeze", .opset = kNumpyBroadcastSince, .inputs = {operand},
                                               .outputs = {aligned}, .attributes = {{"axes", axes}}});
  graph.set_input(id, 1, aligned);
  return unsqueeze;
}

}  // namespace

ir::NodeId align_legacy_operand(ir::Graph& graph, ir::NodeId id) {
  ir::Node& node = graph.node(id);
  if (!node.domain.empty() || node.opset >= kNumpyBroadcastSince || node.inputs.size() < 2) return ir::kNoNode;
  if (!is_aligned_by_attribute(node.op_type) && node.op_type != "PRelu") return ir::kNoNode;
  const auto &first = graph.value(node.inputs[0]).type, &second = graph.value(node.inputs[1]).type;
  if (!first || !second) return ir::kNoNode;
  const std::optional<size_t> axis = first_axis(node, first->shape, second->shape);
  node.attributes.erase("broadcast");
  node.attributes.erase("axis");
  node.opset = kNumpyBroadcastSince;
  if (!axis) return ir::kNoNode;
  const auto covered = static_cast<int64_t>(*axis + second->shape.rank()), rank = static_cast<int64_t>(first->shape.rank());
  if (covered > rank) invalid_model("an operand of shape {} at axis {} of shape {}", second->shape.text(), *axis, first->shape.text());
  const auto own_rank = static_cast<int64_t>(second->shape.rank());
  return covered == rank ? ir::kNoNode : add_unsqueeze(graph, id, own_rank, own_rank + rank - covered);
}

}  // namespace qtool::ops
