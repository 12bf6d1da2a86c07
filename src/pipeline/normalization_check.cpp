#include "normalization_check.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace qtool::pipeline {

namespace {

using Statistics = std::map<ir::ValueId, calib::TensorStatistics>;

// The folded layer's output itself, or the activation that took its place in a fused group.
const calib::TensorStatistics* observed_behind(const model::ModelState& state, const Statistics& statistics, ir::ValueId id) {
  if (const auto found = statistics.find(id); found != statistics.end()) return &found->second;
  const ir::NodeId user = state.graph.single_user(id);
  if (user == ir::kNoNode || state.graph.node(user).op_type != "Relu") return nullptr;
  const auto found = statistics.find(state.graph.node(user).outputs[0]);
  return found == statistics.end() ? nullptr : &found->second;
}

std::optional<double> excess(const model::FoldedBatchNorm& folded, const calib::TensorStatistics& seen) {
  double expected = 0.0;
  for (size_t c = 0; c < folded.mean.size(); ++c) {
    expected = std::max(expected, std::abs(static_cast<double>(folded.mean[c])) + 8.0 * std::abs(static_cast<double>(folded.deviation[c])));
  }
  if (expected <= 0.0 || seen.empty()) return std::nullopt;
  return std::max(std::abs(seen.range.lo), std::abs(seen.range.hi)) / expected;
}

}  // namespace

std::vector<std::string> layers_outside_batch_norm(const model::ModelState& state, const Statistics& statistics) {
  constexpr double kTolerance = 4.0;  // real data pass 8 deviations of the widest channel by a factor of 2 at most
  std::vector<std::string> layers;
  for (const auto& [id, folded] : state.folded_batch_norms) {
    const calib::TensorStatistics* seen = observed_behind(state, statistics, id);
    if (seen == nullptr) continue;
    const auto factor = excess(folded, *seen);
    if (factor && *factor > kTolerance) layers.push_back(state.graph.value(id).name);
  }
  return layers;
}

size_t comparable_layers(const model::ModelState& state, const Statistics& statistics) {
  return static_cast<size_t>(std::count_if(state.folded_batch_norms.begin(), state.folded_batch_norms.end(), [&](const auto& pair) {
    return observed_behind(state, statistics, pair.first) != nullptr;
  }));
}

}  // namespace qtool::pipeline
