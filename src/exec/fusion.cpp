#include "fusion.h"

#include <algorithm>

#include "activation_patterns.h"

namespace qtool::exec {

using ir::Graph;
using ir::kNoNode;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool is_product(const Node& node) {
  return node.op_type == "Conv" || node.op_type == "Gemm" || node.op_type == "MatMul";
}

std::optional<Fusion> find_fusion(const Graph& graph, const ValueFacts& facts, const Node& node) {
  const ValueId inner = node.outputs[0];
  if (facts.watched(inner) || graph.is_output(inner)) return std::nullopt;
  const auto& uses = graph.value(inner).uses;
  if (uses.size() == 1) {
    const Node& next = graph.node(uses[0]);
    if (next.op_type == "Relu") return Fusion{{.kind = FusedActivation::Kind::kRelu}, {&node, &next}, next.outputs[0]};
    if (const auto clip = constant_clip(graph, next)) return Fusion{*clip, {&node, &next}, next.outputs[0]};
  } else if (uses.size() == 2) {
    const Node& first = graph.node(uses[0]).op_type == "Sigmoid" ? graph.node(uses[0]) : graph.node(uses[1]);
    const Node* mul = first.op_type == "Sigmoid" ? find_silu_product(graph, first) : nullptr;
    if (mul == nullptr || facts.needed_elsewhere(first.outputs[0], *mul)) return std::nullopt;
    return Fusion{{.kind = FusedActivation::Kind::kSilu}, {&node, &first, mul}, mul->outputs[0]};
  }
  return std::nullopt;
}

std::optional<TableChain> find_coded_chain(const Graph& graph, const ValueFacts& facts, const std::set<NodeId>& consumed, ValueId source,
                                           const Node& first) {
  if (facts.code_encoding(source) == nullptr) return std::nullopt;
  auto chain = find_table_chain(graph, source, first, [&](ValueId gate, const Node& product) {
    const auto& uses = graph.value(gate).uses;
    return facts.visible(gate) || consumed.contains(product.id) || (facts.encoding(gate) != nullptr && facts.code_encoding(gate) == nullptr) ||
           std::any_of(uses.begin(), uses.end(), [&](NodeId user) { return user != product.id; });
  });
  while (chain && facts.encoding(chain->result) == nullptr && !facts.visible(chain->result)) {
    const NodeId user = graph.single_user(chain->result);
    if (user == kNoNode || table_source(graph, graph.node(user)) != chain->result) return std::nullopt;
    chain->members.push_back(&graph.node(user));
    chain->result = graph.node(user).outputs[0];
  }
  return chain && facts.code_encoding(chain->result) != nullptr ? chain : std::nullopt;
}

std::optional<TableChain> find_only_chain(const Graph& graph, const ValueFacts& facts, const std::set<NodeId>& consumed, ValueId source) {
  const auto& uses = graph.value(source).uses;
  for (const NodeId user : uses) {
    const Node& first = graph.node(user);
    if (table_source(graph, first) != source) continue;
    const auto chain = find_coded_chain(graph, facts, consumed, source, first);
    if (!chain) continue;
    const bool all = std::all_of(uses.begin(), uses.end(), [&](NodeId other) {
      return std::any_of(chain->members.begin(), chain->members.end(), [&](const Node* member) { return member->id == other; });
    });
    if (all) return chain;
  }
  return std::nullopt;
}

}  // namespace qtool::exec
