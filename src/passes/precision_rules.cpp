#include "precision_rules.h"

#include <fnmatch.h>

#include <algorithm>

#include "qtool/ops/recurrent.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using Kind = PrecisionRule::Kind;

bool glob(const std::string& pattern, const std::string& text) { return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0; }

class Resolver {
 public:
  Resolver(const Graph& graph, const ops::Registry& registry) : graph_(graph), registry_(registry), order_(graph.topological_order()) {}

  size_t apply(const PrecisionRule& rule, size_t index) {
    size_t matched = 0;
    for (const ir::NodeId id : order_) {
      const Node& node = graph_.node(id);
      const bool by_node = matches_node(rule.pattern, node);
      if (rule.kind == Kind::kWeight) {
        matched += take_weights(rule, index, node, by_node);
      } else if (by_node) {
        ++matched;
        take(rule, index, node);
      }
    }
    if (rule.kind == Kind::kActivation) matched += apply_to_inputs(rule, index);
    return matched;
  }

  [[noreturn]] void matches_nothing(const PrecisionRule& rule) const {
    std::vector<std::string> names;
    for (const ir::NodeId id : order_) {
      names.push_back(graph_.node(id).name);
      names.push_back(graph_.node(id).op_type);
    }
    throw Error(ErrorCode::kUsage, format("{} '{}' matches no operator{}{}", rule.option, rule.pattern,
                                          rule.kind == Kind::kWeight ? " with a constant weight" : "", did_you_mean(rule.pattern, names)));
  }

  HandPrecision result;

 private:
  bool matches_node(const std::string& pattern, const Node& node) const {
    return node.op_type == pattern || glob(pattern, node.name) || std::ranges::any_of(node.outputs, [&](ValueId id) {
             return id != kNoValue && glob(pattern, graph_.value(id).name);
           });
  }

  std::vector<ValueId> weights_of(const Node& node) const {
    const auto whole = ops::whole_weights(node);
    std::vector<size_t> slots(whole.begin(), whole.end());
    const int layer_weight = registry_.at(node).traits.weight_input;
    if (layer_weight >= 0) slots.push_back(static_cast<size_t>(layer_weight));
    std::vector<ValueId> weights;
    for (const size_t slot : slots) {
      if (slot < node.inputs.size() && graph_.is_constant(node.inputs[slot])) weights.push_back(node.inputs[slot]);
    }
    return weights;
  }

  size_t take_weights(const PrecisionRule& rule, size_t index, const Node& node, bool by_node) {
    size_t taken = 0;
    for (const ValueId weight : weights_of(node)) {
      if (!by_node && !glob(rule.pattern, graph_.value(weight).name)) continue;
      result.weights[weight] = {rule.bits, index};
      ++taken;
    }
    return taken;
  }

  void take(const PrecisionRule& rule, size_t index, const Node& node) {
    switch (rule.kind) {
      case Kind::kFloat: result.float_nodes.insert(node.id); break;
      case Kind::kActivation:
        result.float_nodes.erase(node.id);
        for (const ValueId output : node.outputs) {
          if (output != kNoValue) result.activations[output] = {rule.bits, index};
        }
        break;
      case Kind::kWeight: break;  // take_weights
    }
  }

  size_t apply_to_inputs(const PrecisionRule& rule, size_t index) {
    size_t matched = 0;
    for (const ValueId input : graph_.inputs) {
      if (!glob(rule.pattern, graph_.value(input).name)) continue;
      result.activations[input] = {rule.bits, index};
      ++matched;
    }
    return matched;
  }

  const Graph& graph_;
  const ops::Registry& registry_;
  const std::vector<ir::NodeId> order_;
};

}  // namespace

HandPrecision resolve_precision(const Graph& graph, const ops::Registry& registry, const PlanOptions& options) {
  const std::vector<PrecisionRule>& rules = options.rules;
  Resolver resolver(graph, registry);
  for (size_t i = 0; i < rules.size(); ++i) {
    const size_t matched = resolver.apply(rules[i], i);
    if (matched == 0) resolver.matches_nothing(rules[i]);
    resolver.result.counts.push_back({rules[i], matched});
  }
  return std::move(resolver.result);
}

}  // namespace qtool::passes
