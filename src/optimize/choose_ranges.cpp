#include "qtool/optimize/choose_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtool/optimize/noise_probe.h"
#include "probed_tensor.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

using ir::ValueId;

constexpr int64_t kScoutSamples = 1;       // to find the tensors that matter; every candidate for these is tried on them
constexpr double kScoutShare = 0.25;       // of the work; what would take more is tried together with its neighbours first
constexpr int64_t kLeastStep = 1;          // samples until candidates are dropped again
constexpr int64_t kFewestSamples = 6;      // fewer do not tell a better range from luck
constexpr double kSilentShare = 0.02;      // of the noise power; tensors that make no more than this together keep their range
constexpr double kDropBehind = 2.0;        // candidates with this many times the noise amplitude of the best are dropped
constexpr double kWins = 0.75;             // share of the samples on which the better range must be better

std::vector<ValueId> all_members(const std::vector<ProbedTensor>& tensors) {
  std::vector<ValueId> values;
  for (const ProbedTensor& tensor : tensors) values.insert(values.end(), tensor.members.begin(), tensor.members.end());
  return values;
}

class Chooser {
 public:
  Chooser(const model::ModelState& state, std::vector<ProbedTensor> tensors, const data::SampleSource& held_out, const RangeChoiceOptions& options)
      : state_(state), tensors_(std::move(tensors)), options_(options), probe_(state.graph, all_members(tensors_), held_out, options.threads) {}

  // Noise of the ranges at hand; tensors that add next to nothing, or for which there is no time, leave the running.
  void scout(std::span<const int64_t> samples) {
    scout_neighbours(samples);
    std::vector<ProbedTensor*> noisy = open_tensors();
    const auto only_at_hand = [](const ProbedTensor&, size_t candidate) { return candidate == 0; };
    measure(samples, only_at_hand);
    double silent = 0.0;
    for (const ProbedTensor* tensor : noisy) silent += power(*tensor);
    std::stable_sort(noisy.begin(), noisy.end(), [&](const ProbedTensor* a, const ProbedTensor* b) { return power(*a) > power(*b); });
    const double enough = kSilentShare * silent;
    for (ProbedTensor* tensor : noisy) {
      const double work = round_work(*tensor);
      const bool fits = static_cast<double>(kFewestSamples) * (round_work_ + work) <= options_.work;
      if (silent > enough && fits) round_work_ += work;
      else tensor->give_up();
      silent -= power(*tensor);
    }
  }

  // The other candidates on the samples of the scout.
  void follow(std::span<const int64_t> samples) {
    measure(samples, [](const ProbedTensor&, size_t candidate) { return candidate != 0; });
  }

  // How many samples the time is enough for.
  [[nodiscard]] int64_t affordable(int64_t available) const {
    if (round_work_ <= 0.0) return 0;
    return std::min({available, options_.samples, static_cast<int64_t>(options_.work / round_work_)});
  }

  void measure(std::span<const int64_t> samples) {
    measure(samples, [](const ProbedTensor& tensor, size_t candidate) { return static_cast<bool>(tensor.alive[candidate]); });
  }

  // Candidates far behind the best, those that can no longer win on enough of `samples`, and the worse half of the others: most are
  // close to one another, and which of two equals stays does not matter.
  void drop_hopeless(int64_t samples) {
    for (ProbedTensor& tensor : tensors_) {
      if (!tensor.has_choice()) continue;
      const double least = cost(tensor, quietest(tensor));
      for (size_t i = 1; i < tensor.candidates.size(); ++i) {  // the range at hand stays as the yardstick
        if (cost(tensor, i) > kDropBehind * least || !can_win(tensor, i, samples)) tensor.alive[i] = false;
      }
      drop_worse_half(tensor);
    }
  }

  RangeChoices result() const {
    RangeChoices choices;
    for (const ProbedTensor& tensor : tensors_) {
      const size_t choice = best(tensor);
      const RangeCandidate& candidate = tensor.candidates[choice];
      choices.chosen[tensor.leader] = {candidate.range, candidate.method};
      choices.changed += choice != 0;
      std::vector<TriedRange>& tried = choices.tried[tensor.leader];
      for (size_t i = 0; i < tensor.candidates.size(); ++i) {
        if (!tensor.costs[i].empty() || i == choice) {
          tried.push_back({tensor.candidates[i].method, tensor.candidates[i].range, tensor.costs[i].empty() ? 0.0 : cost_db(cost(tensor, i))});
        }
      }
      const auto chosen = std::find_if(tried.begin(), tried.end(), [&](const TriedRange& t) { return t.method == candidate.method; });
      std::rotate(tried.begin(), chosen, chosen + 1);
    }
    return choices;
  }

 private:
  std::vector<ProbedTensor*> open_tensors() {
    std::vector<ProbedTensor*> open;
    for (ProbedTensor& tensor : tensors_) {
      if (tensor.has_choice()) open.push_back(&tensor);
    }
    return open;
  }

  static double scout_work(std::span<ProbedTensor* const> tensors, size_t samples) {
    double work = 0.0;
    for (const ProbedTensor* tensor : tensors) work += tensor->suffix_work;
    return work * static_cast<double>(samples);
  }

  // Where trying every tensor alone would take too much of the time: neighbours of the graph together, and then only the members
  // of the loudest neighbourhoods alone.
  void scout_neighbours(std::span<const int64_t> samples) {
    std::vector<ProbedTensor*> open = open_tensors();
    double left = kScoutShare * options_.work;
    const double alone = scout_work(open, samples.size());
    if (alone <= left) return;
    std::vector<std::span<ProbedTensor*>> parts;
    const auto size = static_cast<size_t>(std::ceil(alone / left));
    for (size_t begin = 0; begin < open.size(); begin += size) parts.push_back(std::span(open).subspan(begin, std::min(size, open.size() - begin)));
    for (const size_t i : loudest_first(parts, samples)) {
      const double work = scout_work(parts[i], samples.size());
      if (work <= left) left -= work;
      else std::ranges::for_each(parts[i], &ProbedTensor::give_up);
    }
  }

  std::vector<size_t> loudest_first(const std::vector<std::span<ProbedTensor*>>& parts, std::span<const int64_t> samples) {
    std::vector<Variant> variants;
    for (const std::span<ProbedTensor*> part : parts) variants.push_back(together(part));
    const std::vector<OutputNoise> noise = probe_.run(variants, samples);
    std::vector<size_t> order(parts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return noise[i].cost(probe_.measure().blocks()); });
    return order;
  }

  [[nodiscard]] Variant together(std::span<ProbedTensor* const> tensors) const {
    Variant variant;
    std::map<ValueId, exec::SuffixSession::Change> changes;
    for (const ProbedTensor* tensor : tensors) {
      const exec::SuffixSession::Change change = onto_grid(grid_of(*tensor, tensor->candidates[0], state_));
      for (const ValueId member : tensor->members) changes.emplace(member, change);
      variant.changed.insert(variant.changed.end(), tensor->members.begin(), tensor->members.end());
    }
    variant.change = [changes = std::move(changes)](ValueId value, std::span<float> values) { changes.at(value)(value, values); };
    return variant;
  }

  template <class Wanted>
  void measure(std::span<const int64_t> samples, const Wanted& wanted) {
    std::vector<Variant> variants;
    std::vector<std::pair<ProbedTensor*, size_t>> targets;
    for (ProbedTensor& tensor : tensors_) {
      if (!tensor.has_choice()) continue;
      for (size_t i = 0; i < tensor.candidates.size(); ++i) {
        if (!wanted(tensor, i)) continue;
        variants.push_back({tensor.members, onto_grid(grid_of(tensor, tensor.candidates[i], state_))});
        targets.emplace_back(&tensor, i);
      }
    }
    for (const std::vector<OutputNoise>& of_sample : probe_.run_each(variants, samples)) {
      for (size_t i = 0; i < of_sample.size(); ++i) {
        const auto [tensor, candidate] = targets[i];
        tensor->noise[candidate].add(of_sample[i].signal, of_sample[i].noise);
        tensor->costs[candidate].push_back(of_sample[i].cost(probe_.measure().blocks()));
      }
    }
  }

  static double round_work(const ProbedTensor& tensor) { return static_cast<double>(tensor.candidates.size()) * tensor.suffix_work; }

  [[nodiscard]] double cost(const ProbedTensor& tensor, size_t i) const { return tensor.noise[i].cost(probe_.measure().blocks()); }
  [[nodiscard]] double power(const ProbedTensor& tensor) const { return cost(tensor, 0) * cost(tensor, 0); }

  void drop_worse_half(ProbedTensor& tensor) const {
    std::vector<size_t> others;
    for (size_t i = 1; i < tensor.candidates.size(); ++i) {
      if (tensor.alive[i]) others.push_back(i);
    }
    std::ranges::stable_sort(others, {}, [&](size_t i) { return cost(tensor, i); });
    for (size_t i = (others.size() + 1) / 2; i < others.size(); ++i) tensor.alive[others[i]] = false;
  }

  [[nodiscard]] size_t quietest(const ProbedTensor& tensor) const {
    size_t found = 0;
    for (size_t i = 1; i < tensor.candidates.size(); ++i) {
      if (tensor.alive[i] && cost(tensor, i) < cost(tensor, found)) found = i;
    }
    return found;
  }

  // Another range than the one at hand must be clearly better in sum, and on most of the samples: a sum may hang on one image.
  [[nodiscard]] size_t best(const ProbedTensor& tensor) const {
    if (static_cast<int64_t>(tensor.costs[0].size()) < kFewestSamples) return 0;
    const size_t found = quietest(tensor);
    if (found == 0 || tensor.min_gain * cost(tensor, found) > cost(tensor, 0)) return 0;
    return can_win(tensor, found, static_cast<int64_t>(tensor.costs[0].size())) ? found : 0;
  }

  // Whether the candidate is better than the range at hand on enough of `samples`, if it is on all that were not tried yet.
  static bool can_win(const ProbedTensor& tensor, size_t candidate, int64_t samples) {
    const std::vector<double>& costs = tensor.costs[candidate];
    int64_t losses = 0;
    for (size_t s = 0; s < costs.size(); ++s) losses += costs[s] >= tensor.costs[0][s];
    return static_cast<double>(samples - losses) >= kWins * static_cast<double>(samples);
  }

  const model::ModelState& state_;
  std::vector<ProbedTensor> tensors_;
  RangeChoiceOptions options_;
  NoiseProbe probe_;
  double round_work_ = 0.0;  // of one sample
};

}  // namespace

passes::ChosenRanges decision_ranges(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics) {
  passes::ChosenRanges ranges;
  for (const ProbedTensor& tensor : narrow_tensors(state, statistics)) {
    if (tensor.clips) continue;
    const std::vector<RangeCandidate> candidates = candidates_for(tensor, state);
    if (!candidates.empty()) ranges[tensor.leader] = {candidates[0].range, candidates[0].method};
  }
  for (const ValueId id : passes::observed_values(state)) {
    const auto found = statistics.find(id);
    if (found == statistics.end() || found->second.empty() || state.plan.find(id)->spec.bits < 16) continue;
    ranges[id] = {found->second.range, "min-max"};
  }
  return ranges;
}

RangeChoices choose_ranges(const model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
                           const passes::ChosenRanges& at_hand, const data::SampleSource& held_out, const RangeChoiceOptions& options, Reporter& reporter) {
  std::vector<ProbedTensor> tensors = tensors_to_probe(state, statistics, at_hand, options.threads);
  if (tensors.empty()) return {};
  Chooser chooser(state, std::move(tensors), held_out, options);
  std::vector<int64_t> indices(static_cast<size_t>(held_out.size()));
  std::iota(indices.begin(), indices.end(), int64_t{0});
  const std::span<const int64_t> all(indices);
  const std::span<const int64_t> scouted = all.first(std::min<size_t>(kScoutSamples, all.size()));
  chooser.scout(scouted);
  const int64_t samples = chooser.affordable(held_out.size());
  if (samples >= kFewestSamples) {
    reporter.progress("choose ranges", 0, samples);
    chooser.follow(scouted);
    for (auto done = static_cast<int64_t>(scouted.size()); done < samples;) {
      chooser.drop_hopeless(samples);
      reporter.progress("choose ranges", done, samples);
      const int64_t next = std::min(std::max(kLeastStep, done / 2), samples - done);
      chooser.measure(all.subspan(static_cast<size_t>(done), static_cast<size_t>(next)));
      done += next;
    }
    reporter.progress("choose ranges", samples, samples);
  }
  RangeChoices choices = chooser.result();
  choices.samples = samples;
  return choices;
}

}  // namespace qtool::optimize
