#include "qtool/onnxio/opset_upgrade.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "upgrade_rule.h"

namespace qtool::onnxio {

namespace {

// The oldest version whose operators the rules start from.
constexpr int64_t kOldestOpset = 7;

using RulesByOperator = std::map<std::string, UpgradeRules>;

const RulesByOperator& rules_by_operator() {
  static const RulesByOperator table = [] {
    UpgradeRules rules;
    add_attribute_rules(rules);
    add_meaning_rules(rules);
    add_resize_rules(rules);
    RulesByOperator result;
    for (UpgradeRule& rule : rules) result[rule.op_type].push_back(std::move(rule));
    for (auto& [op_type, list] : result) {
      std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
    }
    return result;
  }();
  return table;
}

// The first rule that the node has not been through; an operator may change its name on the way.
const UpgradeRule* next_rule(const ir::Node& node, int64_t opset) {
  const auto list = rules_by_operator().find(node.op_type);
  if (list == rules_by_operator().end()) return nullptr;
  const auto rule = std::find_if(list->second.begin(), list->second.end(),
                                 [&](const UpgradeRule& r) { return r.since > node.opset; });
  return rule == list->second.end() || rule->since > opset ? nullptr : &*rule;
}

void upgrade_node(ir::Graph& graph, ir::NodeId id, int64_t opset) {
  const int64_t written_for = graph.node(id).opset;
  try {
    while (const UpgradeRule* rule = next_rule(graph.node(id), opset)) {
      rule->apply(graph, id);
      graph.node(id).opset = rule->since;
    }
    graph.node(id).opset = opset;
  } catch (Error& error) {
    error.with("node", graph.node(id).text()).with("needed for", format("operator set {} instead of {}", opset, written_for));
    throw;
  }
}

template <class Fn>
void for_each_subgraph(ir::Node& node, Fn&& fn) {
  for (auto& [key, attribute] : node.attributes) {
    if (auto* body = std::get_if<std::shared_ptr<ir::Graph>>(&attribute); body && *body) fn(*body);
  }
}

}  // namespace

void upgrade_opset(ir::Graph& graph, int64_t opset) {
  for (const ir::NodeId id : graph.node_ids()) {
    for_each_subgraph(graph.node(id), [&](std::shared_ptr<ir::Graph>& body) {
      body = std::make_shared<ir::Graph>(*body);  // copies of a graph share the bodies of its nodes
      upgrade_opset(*body, opset);
    });
    const ir::Node& node = graph.node(id);
    if (node.domain.empty() && node.opset >= kOldestOpset && node.opset < opset) upgrade_node(graph, id, opset);
  }
}

int64_t newest_opset(const ir::Graph& graph) {
  int64_t newest = 0;
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    if (node.domain.empty()) newest = std::max(newest, node.opset);
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* body = std::get_if<std::shared_ptr<ir::Graph>>(&attribute); body && *body) {
        newest = std::max(newest, newest_opset(**body));
      }
    }
  }
  return newest;
}

int64_t ir_version_for_opset(int64_t opset) {
  // Table of releases in ONNX's Versioning document: opset 8 came with IR 3, 9 with 4, ... 23 with 11.
  static constexpr std::pair<int64_t, int64_t> kLastOpsetOfIr[] = {{8, 3}, {9, 4}, {10, 5}, {11, 6}, {14, 7}, {18, 8}, {20, 9}, {22, 10}, {23, 11}};
  for (const auto& [last, ir_version] : kLastOpsetOfIr) {
    if (opset <= last) return ir_version;
  }
  return std::rbegin(kLastOpsetOfIr)->second + 1;
}

}  // namespace qtool::onnxio
