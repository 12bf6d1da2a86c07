#include "qtool/optimize/choose_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtool/optimize/noise_probe.h"
#include "qtool/support/format.h"
#include "range_candidates.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

using ir::ValueId;

constexpr int64_t kFirstRound = 3;         // samples that every candidate is tried on
constexpr double kDropBehind = 2.0;        // candidates with this many times the noise amplitude of the best are dropped then
constexpr double kResidualGain = 1.122;    // 1 dB: what clipping a residual stream must gain

struct ProbedTensor {
  ValueId leader;
  std::vector<ValueId> members;
  std::vector<RangeCandidate> candidates;
  std::vector<OutputNoise> noise;          // by candidate
  std::vector<bool> alive;
  bool clips = true;                       // false: min-max only
  double min_gain = 1.0;                   // noise amplitude of min-max over that of a clipping range
};

std::vector<ProbedTensor> tensors_to_probe(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics) {
  const std::set<ValueId> decisions = decision_values(state.graph);
  std::vector<ProbedTensor> tensors;
  for (const ValueId id : passes::observed_values(state)) {
    const auto found = statistics.find(id);
    const model::TensorPlan& plan = *state.plan.find(id);
    if (found == statistics.end() || found->second.empty() || !found->second.histogram || plan.spec.bits >= 16) continue;
    ProbedTensor tensor{.leader = id, .members = grid_members(state, id)};
    const bool decides = std::any_of(tensor.members.begin(), tensor.members.end(), [&](ValueId m) { return decisions.contains(m); });
    tensor.candidates = range_candidates(found->second, plan.spec, {.clip = !decides, .cut_for_sigmoid = feeds_only_sigmoids(state.graph, id)});
    tensor.clips = !decides;
    if (is_residual_stream(state.graph, id)) tensor.min_gain = kResidualGain;
    if (tensor.candidates.empty()) continue;
    tensor.noise.resize(tensor.candidates.size());
    tensor.alive.assign(tensor.candidates.size(), true);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::vector<ValueId> all_members(const std::vector<ProbedTensor>& tensors) {
  std::vector<ValueId> values;
  for (const ProbedTensor& tensor : tensors) values.insert(values.end(), tensor.members.begin(), tensor.members.end());
  return values;
}

int64_t affordable_samples(const model::ModelState& state, const std::vector<ProbedTensor>& tensors, const RangeChoiceOptions& options, int64_t available) {
  double work = 1.0;
  for (const ProbedTensor& tensor : tensors) {
    if (tensor.candidates.size() > 1) work += static_cast<double>(tensor.candidates.size()) * suffix_work(state.graph, tensor.members.front());
  }
  const auto fit = static_cast<int64_t>(options.work / work);
  return std::clamp<int64_t>(fit, 1, std::min(available, options.samples));
}

class Chooser {
 public:
  Chooser(const model::ModelState& state, std::vector<ProbedTensor> tensors, NoiseProbe& probe) : state_(state), tensors_(std::move(tensors)), probe_(probe) {}

  // Adds the noise of every candidate still in the running on these samples.
  void measure(std::span<const int64_t> samples) {
    std::vector<Variant> variants;
    std::vector<OutputNoise*> targets;
    for (ProbedTensor& tensor : tensors_) {
      if (std::count(tensor.alive.begin(), tensor.alive.end(), true) < 2) continue;
      for (size_t i = 0; i < tensor.candidates.size(); ++i) {
        if (!tensor.alive[i]) continue;
        const quant::Encoding grid = quant::encoding_from_ranges(state_.plan.find(tensor.leader)->spec, {&tensor.candidates[i].range, 1});
        variants.push_back({tensor.members, onto_grid(grid)});
        targets.push_back(&tensor.noise[i]);
      }
    }
    const std::vector<OutputNoise> found = probe_.run(variants, samples);
    for (size_t i = 0; i < found.size(); ++i) targets[i]->add(found[i].signal, found[i].noise);
  }

  void drop_hopeless() {
    for (ProbedTensor& tensor : tensors_) {
      const double least = cost(tensor, best(tensor));
      for (size_t i = 1; i < tensor.candidates.size(); ++i) {  // min-max stays as the yardstick
        if (cost(tensor, i) > kDropBehind * least) tensor.alive[i] = false;
      }
      if (best(tensor) != 0 && cost(tensor, 0) > kDropBehind * kResidualGain * least) tensor.alive[0] = false;
    }
  }

  RangeChoices result() const {
    RangeChoices choices;
    for (const ProbedTensor& tensor : tensors_) {
      const size_t choice = best(tensor);
      const RangeCandidate& candidate = tensor.candidates[choice];
      choices.chosen[tensor.leader] = {candidate.range, format("auto: {}", candidate.method)};
      std::vector<TriedRange>& tried = choices.tried[tensor.leader];
      for (size_t i = 0; i < tensor.candidates.size(); ++i) {
        tried.push_back({tensor.candidates[i].method, tensor.candidates[i].range, tensor.candidates.size() > 1 ? cost_db(cost(tensor, i)) : 0.0});
      }
      std::swap(tried[0], tried[choice]);
    }
    return choices;
  }

 private:
  double cost(const ProbedTensor& tensor, size_t i) const { return tensor.noise[i].cost(probe_.measure().blocks()); }

  // The first wins ties: min-max.
  size_t best(const ProbedTensor& tensor) const {
    size_t found = 0;
    if (tensor.candidates.size() < 2) return found;
    const double yardstick = cost(tensor, 0) / tensor.min_gain;
    double least = tensor.alive[0] ? yardstick : std::numeric_limits<double>::infinity();
    for (size_t i = 1; i < tensor.candidates.size(); ++i) {
      if (!tensor.alive[i] || !(cost(tensor, i) < least)) continue;
      least = cost(tensor, i);
      found = i;
    }
    return found;
  }

  const model::ModelState& state_;
  std::vector<ProbedTensor> tensors_;
  NoiseProbe& probe_;
};

}  // namespace

passes::ChosenRanges decision_ranges(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics) {
  passes::ChosenRanges ranges;
  for (const ProbedTensor& tensor : tensors_to_probe(state, statistics)) {
    if (!tensor.clips) ranges[tensor.leader] = {tensor.candidates[0].range, tensor.candidates[0].method};
  }
  return ranges;
}

RangeChoices choose_ranges(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
                           const data::SampleSource& held_out, const RangeChoiceOptions& options, Reporter& reporter) {
  std::vector<ProbedTensor> tensors = tensors_to_probe(state, statistics);
  if (tensors.empty()) return {};
  NoiseProbe probe(state.graph, all_members(tensors), held_out, options.threads);
  const int64_t samples = affordable_samples(state, tensors, options, held_out.size());

  Chooser chooser(state, std::move(tensors), probe);
  std::vector<int64_t> indices(static_cast<size_t>(samples));
  std::iota(indices.begin(), indices.end(), int64_t{0});
  const std::span<const int64_t> all(indices);
  const auto first = static_cast<size_t>(std::min(kFirstRound, samples));
  reporter.progress("choose ranges", 0, samples);
  chooser.measure(all.first(first));
  reporter.progress("choose ranges", static_cast<int64_t>(first), samples);
  if (all.size() > first) {
    chooser.drop_hopeless();
    chooser.measure(all.subspan(first));
    reporter.progress("choose ranges", samples, samples);
  }
  RangeChoices choices = chooser.result();
  choices.samples = samples;
  return choices;
}

}  // namespace qtool::optimize
