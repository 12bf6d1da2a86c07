#include "qtool/ir/subgraph.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ir {

namespace {

// Copies one branch into the graph around it.
class BranchInliner {
 public:
  BranchInliner(Graph& outer, const Graph& branch, std::string prefix)
      : outer_(outer), branch_(branch), prefix_(std::move(prefix)), moved_(branch.value_capacity(), kNoValue) {}

  void bind(ValueId inner, ValueId outer) { moved_[static_cast<uint32_t>(inner)] = outer; }
  [[nodiscard]] bool is_bound(ValueId inner) const { return moved_[static_cast<uint32_t>(inner)] != kNoValue; }

  ValueId move_value(ValueId inner) {
    if (inner == kNoValue) return kNoValue;
    ValueId& target = moved_[static_cast<uint32_t>(inner)];
    if (target == kNoValue) {
      const Value& value = branch_.value(inner);
      target = outer_.add_value(outer_.unique_name(prefix_ + value.name), value.type);
      outer_.value(target).constant = value.constant;
    }
    return target;
  }

  void move_nodes() {
    for (const NodeId id : branch_.topological_order()) {
      Node copy = branch_.node(id);
      copy.name = prefix_ + copy.name;
      for (ValueId& input : copy.inputs) input = move_value(input);
      for (ValueId& output : copy.outputs) output = move_value(output);
      outer_.add_node(std::move(copy));
    }
  }

 private:
  Graph& outer_;
  const Graph& branch_;
  std::string prefix_;
  std::vector<ValueId> moved_;
};

}  // namespace

std::vector<std::string> captures(const Node& node) {
  const auto at = node.attributes.find(kCapturesAttribute);
  if (at == node.attributes.end()) return {};
  const auto* names = std::get_if<std::vector<std::string>>(&at->second);
  return names ? *names : std::vector<std::string>{};
}

size_t explicit_input_count(const Node& node) {
  const size_t captured = captures(node).size();
  return node.inputs.size() - std::min(captured, node.inputs.size());
}

void inline_if(Graph& graph, NodeId if_node, bool condition) {
  const Node node = graph.node(if_node);
  const std::string_view key = condition ? "then_branch" : "else_branch";
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidModel, what).with("node", node.name).with("op", node.op_type);
  };
  const Graph* branch = node.attr_graph(key);
  if (branch == nullptr) fail(format("attribute '{}' is missing", key));
  if (branch->outputs.size() < node.outputs.size()) {
    fail(format("'{}' has {} outputs, the node has {}", key, branch->outputs.size(), node.outputs.size()));
  }
  graph.erase_node(if_node);

  BranchInliner inliner(graph, *branch, node.name + "/");
  const std::vector<std::string> captured = captures(node);
  const size_t first_capture = node.inputs.size() - captured.size();
  for (size_t i = 0; i < captured.size(); ++i) {
    const ValueId inner = branch->find_value(captured[i]);
    if (inner == kNoValue || branch->producer(inner) != kNoNode || branch->is_constant(inner)) continue;
    inliner.bind(inner, node.inputs[first_capture + i]);
  }
  // An output that the branch computes itself becomes the outer tensor; one that is a captured tensor, a constant or
  // an earlier output needs a copy, because the outer name must stay.
  std::vector<std::pair<ValueId, ValueId>> copies;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    const ValueId inner = branch->outputs[i];
    if (branch->producer(inner) != kNoNode && !inliner.is_bound(inner)) {
      inliner.bind(inner, node.outputs[i]);
    } else {
      copies.emplace_back(inner, node.outputs[i]);
    }
  }
  inliner.move_nodes();
  for (const auto& [inner, outer] : copies) {
    graph.add_node({.name = node.name + "/identity",
                    .op_type = "Identity",
                    .opset = node.opset,
                    .inputs = {inliner.move_value(inner)},
                    .outputs = {outer}});
  }
}

int inline_constant_ifs(Graph& graph) {
  int count = 0;
  for (bool again = true; again;) {
    again = false;
    for (const NodeId id : graph.node_ids()) {
      const Node& node = graph.node(id);
      if (node.op_type != "If" || !node.domain.empty() || node.inputs.empty()) continue;
      const Tensor* condition = graph.constant(node.inputs[0]);
      if (condition == nullptr || condition->element_count() != 1 || condition->dtype() == DType::kString) continue;
      inline_if(graph, id, condition->to_int64()[0] != 0);
      ++count;
      again = true;
    }
  }
  return count;
}

}  // namespace qtool::ir
