#include "probed_tensor.h"

#include "qtool/quant/encoding.h"
#include "qtool/support/parallel.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

using ir::ValueId;

constexpr double kGain = 1.03;
constexpr double kResidualGain = 1.122;  // 1 dB: what clipping a residual stream must gain

std::vector<RangeCandidate> with_range_at_hand(std::vector<RangeCandidate> candidates, const ProbedTensor& tensor, const passes::ChosenRanges& at_hand,
                                               const quant::QuantSpec& spec) {
  const auto given = at_hand.find(tensor.leader);
  if (given == at_hand.end() || !tensor.clips) return candidates;
  std::erase_if(candidates, [&](const RangeCandidate& c) { return same_grid(c.range, given->second.range, spec); });
  candidates.insert(candidates.begin(), RangeCandidate{given->second.source, given->second.range});
  return candidates;
}

}  // namespace

std::vector<ProbedTensor> narrow_tensors(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics) {
  const std::set<ValueId> decisions = decision_values(state.graph);
  std::vector<ProbedTensor> tensors;
  for (const ValueId id : passes::observed_values(state)) {
    const auto found = statistics.find(id);
    if (found == statistics.end() || found->second.empty() || !found->second.histogram || state.plan.find(id)->spec.bits >= 16) continue;
    ProbedTensor tensor{.leader = id, .statistics = &found->second, .members = grid_members(state, id)};
    if (tensor.members.empty()) continue;
    tensor.clips = std::none_of(tensor.members.begin(), tensor.members.end(), [&](ValueId m) { return decisions.contains(m); });
    tensor.min_gain = is_residual_stream(state.graph, id) ? kResidualGain : kGain;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::vector<RangeCandidate> candidates_for(const ProbedTensor& tensor, const model::ModelState& state) {
  return range_candidates(*tensor.statistics, state.plan.find(tensor.leader)->spec,
                          {.clip = tensor.clips, .cut_for_sigmoid = feeds_only_sigmoids(state.graph, tensor.leader)});
}

std::vector<ProbedTensor> tensors_to_probe(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
                                           const passes::ChosenRanges& at_hand, int threads) {
  std::vector<ProbedTensor> tensors = narrow_tensors(state, statistics);
  parallel_for(static_cast<int64_t>(tensors.size()), threads, [&](int64_t i, int) {
    ProbedTensor& tensor = tensors[static_cast<size_t>(i)];
    tensor.candidates = with_range_at_hand(candidates_for(tensor, state), tensor, at_hand, state.plan.find(tensor.leader)->spec);
    tensor.noise.resize(tensor.candidates.size());
    tensor.costs.resize(tensor.candidates.size());
    tensor.alive.assign(tensor.candidates.size(), true);
    tensor.suffix_work = suffix_work(state.graph, tensor.members.front());
  });
  std::erase_if(tensors, [](const ProbedTensor& tensor) { return tensor.candidates.empty(); });
  return tensors;
}

quant::Encoding grid_of(const ProbedTensor& tensor, const RangeCandidate& candidate, const model::ModelState& state) {
  return quant::encoding_from_ranges(state.plan.find(tensor.leader)->spec, {&candidate.range, 1});
}

}  // namespace qtool::optimize
