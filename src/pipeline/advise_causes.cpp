#include "advise_causes.h"

#include <algorithm>

#include "qtool/optimize/head_analysis.h"
#include "qtool/support/format.h"
#include "tensor_diagnosis.h"

namespace qtool::pipeline {

namespace {

constexpr size_t kWorstTensors = 3;

// Noise of one side alone, the other in float.
double noise_of(const QuantizedModel& quantized, const HeldOutJudge& judge, bool constants) {
  model::ModelState part = quantized.model.state;
  std::erase_if(part.encodings, [&](const auto& entry) { return part.graph.is_constant(entry.first) != constants; });
  return judge.figures(part, quantized.profile.cost).noise_db;
}

std::string sides(const QuantizedModel& quantized, const HeldOutJudge& judge) {
  const double weights = noise_of(quantized, judge, true), activations = noise_of(quantized, judge, false);
  const char* worse = weights < activations - 3.0 ? "the weights lose more" : activations < weights - 3.0 ? "the activations lose more" : "both lose alike";
  return format("weights alone leave the outputs at {:.1f} dB, activations alone at {:.1f} dB: {}", weights, activations, worse);
}

std::vector<std::string> head_findings(const QuantizedModel& quantized) {
  const model::ModelState& state = quantized.model.state;
  const auto range_of = [&](ir::ValueId id) -> std::optional<quant::Range> {
    const model::TensorPlan* plan = state.plan.find(id);
    if (plan == nullptr || plan->spec.bits > 8) return std::nullopt;
    const auto& statistics = quantized.optimized.calibration.statistics;
    const auto at = statistics.find(plan->leader);
    return at == statistics.end() || at->second.empty() ? std::nullopt : std::optional(at->second.range);
  };
  return optimize::head_summary(state.graph, optimize::analyze_head(state.graph, range_of));
}

std::vector<std::string> worst_tensors(const QuantizedModel& quantized) {
  std::vector<std::pair<double, std::string>> found;
  const model::ModelState& state = quantized.model.state;
  for (const auto& [id, entry] : state.encodings) {
    const model::TensorPlan* plan = state.plan.find(id);
    if (plan != nullptr && plan->leader != id) continue;
    const auto seen = quantized.optimized.calibration.statistics.find(id);
    const bool known = seen != quantized.optimized.calibration.statistics.end();
    const auto diagnosis = diagnose_tensor(state, known ? &seen->second : nullptr, id);
    if (diagnosis) found.emplace_back(diagnosis->severity, format("{} in '{}': {}", diagnosis->kind, state.graph.value(id).name, diagnosis->cause));
  }
  std::ranges::stable_sort(found, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> texts;
  for (size_t i = 0; i < std::min(kWorstTensors, found.size()); ++i) texts.push_back(std::move(found[i].second));
  return texts;
}

}  // namespace

std::vector<std::string> failure_causes(const QuantizedModel& quantized, const HeldOutJudge& judge) {
  std::vector<std::string> causes;
  if (quantized.profile.activation_bits <= 8) causes = head_findings(quantized);
  causes.push_back(sides(quantized, judge));
  for (std::string& text : worst_tensors(quantized)) causes.push_back(std::move(text));
  return causes;
}

}  // namespace qtool::pipeline
