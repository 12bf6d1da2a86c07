#include "worst_layers.h"

#include <algorithm>

#include "tensor_diagnosis.h"

namespace qtool::pipeline {

std::vector<LayerFinding> find_worst_layers(const model::ModelState& state, const Statistics& statistics) {
  std::vector<LayerFinding> found;
  for (const auto& [id, entry] : state.encodings) {
    const model::TensorPlan* plan = state.plan.find(id);
    if (plan != nullptr && plan->leader != id) continue;  // told once, at the tensor whose grid it is
    const auto seen = statistics.find(id);
    const auto diagnosis = diagnose_tensor(state, seen == statistics.end() ? nullptr : &seen->second, id);
    if (!diagnosis) continue;
    const ir::NodeId producer = state.graph.producer(id);
    found.push_back({.name = state.graph.value(id).name, .op = producer == ir::kNoNode ? "" : state.graph.node(producer).op_type,
                     .kind = diagnosis->kind, .cause = diagnosis->cause, .option = diagnosis->option, .severity = diagnosis->severity});
  }
  std::stable_sort(found.begin(), found.end(), [](const LayerFinding& a, const LayerFinding& b) { return a.severity > b.severity; });
  return found;
}

nlohmann::json finding_json(const LayerFinding& finding) {
  constexpr double kBad = 8.0;
  nlohmann::json json = {{"name", finding.name}, {"kind", finding.kind}, {"cause", finding.cause}, {"tone", finding.severity > kBad ? "bad" : "warn"}};
  if (!finding.option.empty()) json["option"] = finding.option;
  if (!finding.op.empty()) json["op"] = finding.op;
  return json;
}

}  // namespace qtool::pipeline
