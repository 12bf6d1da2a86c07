#include "report_precision.h"

#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;
using Counts = std::map<std::string, size_t>;

void count_quantized(const model::ModelState& state, Counts& activations, Counts& weights) {
  for (const auto& [id, entry] : state.encodings) {
    const model::TensorPlan* plan = state.plan.find(id);
    if (plan != nullptr && plan->role == model::TensorRole::kBias) continue;
    ++(plan != nullptr && plan->role == model::TensorRole::kWeight ? weights : activations)[format("{}", entry.encoding.bits)];
  }
}

void count_float(const model::ModelState& state, Counts& activations, Counts& weights) {
  for (const ir::ValueId id : state.plan.requested_float) ++(state.graph.is_constant(id) ? weights : activations)["float"];
}

}  // namespace

Json precision_json(const QuantizedModel& quantized) {
  const model::ModelState& state = quantized.model.state;
  Counts activations, weights;
  count_quantized(state, activations, weights);
  count_float(state, activations, weights);
  Json rules = Json::array();
  for (const auto& [rule, operators] : quantized.plan_notes.rules) {
    rules.push_back({{"option", rule.option}, {"pattern", rule.pattern}, {"operators", operators}});
  }
  Json islands = Json::array();
  for (const ir::NodeId id : state.graph.topological_order()) {
    if (state.plan.float_nodes.contains(id)) islands.push_back(state.graph.node(id).name);
  }
  return {{"by_hand", std::move(rules)},
          {"activations", activations},
          {"weights", weights},
          {"float_operators", std::move(islands)},
          {"limited", quantized.plan_notes.limited},
          {"grouped", quantized.plan_notes.grouped},
          {"without_blocks", quantized.plan_notes.unblocked}};
}

}  // namespace qtool::pipeline
