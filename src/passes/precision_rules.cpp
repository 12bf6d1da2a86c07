#include "precision_rules.h"

#include <fnmatch.h>

#include <algorithm>

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
      const ValueId weight = weight_of(node);
      const bool by_weight = rule.kind == Kind::kWeight && weight != kNoValue && glob(rule.pattern, graph_.value(weight).name);
      if (!by_node && !by_weight) continue;
      if (rule.kind == Kind::kWeight && weight == kNoValue) continue;
      ++matched;
      take(rule, index, node, weight);
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

  ValueId weight_of(const Node& node) const {
    const int slot = registry_.at(node).traits.weight_input;
    if (slot < 0 || static_cast<size_t>(slot) >= node.inputs.size()) return kNoValue;
    const ValueId id = node.inputs[static_cast<size_t>(slot)];
    return graph_.is_constant(id) ? id : kNoValue;
  }

  void take(const PrecisionRule& rule, size_t index, const Node& node, ValueId weight) {
    switch (rule.kind) {
      case Kind::kFloat: result.float_nodes.insert(node.id); break;
      case Kind::kActivation:
        result.float_nodes.erase(node.id);
        for (const ValueId output : node.outputs) {
          if (output != kNoValue) result.activations[output] = {rule.bits, index};
        }
        break;
      case Kind::kWeight: result.weights[weight] = {rule.bits, index}; break;
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
