#include "quantizer_noise.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "qtool/optimize/noise_probe.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

using ir::ValueId;
using Group = std::vector<NarrowQuantizer*>;

constexpr int64_t kScoutSamples = 2;
constexpr double kSilentShare = 0.1;   // of the noise power: quantizers that make no more than this together

class Sensitivity {
 public:
  Sensitivity(const model::ModelState& state, const data::SampleSource& source, int64_t samples, int threads)
      : state_(state), source_(source), threads_(threads), indices_(static_cast<size_t>(samples)) {
    std::iota(indices_.begin(), indices_.end(), int64_t{0});
  }

  void measure(const Group& group) {
    if (group.empty()) return;
    const bool weights = std::ranges::any_of(group, [](const NarrowQuantizer* quantizer) { return quantizer->is_weight(); });
    NoiseProbe probe(state_.graph, changeable(group), source_, threads_, weights ? &state_.encodings : nullptr);
    const std::span<const int64_t> all(indices_), scouted = all.first(std::min<size_t>(kScoutSamples, all.size()));
    add(probe, group, scouted);
    add(probe, loud(probe, group), all.subspan(scouted.size()));
  }

 private:
  static std::vector<ValueId> changeable(const Group& group) {
    std::vector<ValueId> values;
    for (const NarrowQuantizer* quantizer : group) {
      if (!quantizer->is_weight()) values.insert(values.end(), quantizer->members.begin(), quantizer->members.end());
    }
    return values;
  }

  void add(NoiseProbe& probe, const Group& group, std::span<const int64_t> samples) const {
    if (samples.empty() || group.empty()) return;
    std::vector<Variant> variants;
    for (const NarrowQuantizer* quantizer : group) {
      if (quantizer->is_weight()) variants.push_back({.rounded = quantizer->members});
      else variants.push_back({quantizer->members, onto_grid(*model::find_encoding(state_.encodings, quantizer->leader))});
    }
    const std::vector<OutputNoise> noise = probe.run(variants, samples);
    for (size_t i = 0; i < group.size(); ++i) group[i]->noise.add(noise[i].signal, noise[i].noise);
  }

  // Without the quietest, as many as stay under their share together.
  Group loud(const NoiseProbe& probe, Group group) {
    const auto power = [&](const NarrowQuantizer* quantizer) {
      const double cost = quantizer->noise.cost(probe.measure().blocks());
      return cost * cost;
    };
    std::stable_sort(group.begin(), group.end(), [&](const auto* a, const auto* b) { return power(a) > power(b); });
    for (const NarrowQuantizer* quantizer : group) power_ += power(quantizer);
    double silent = 0.0;
    while (!group.empty() && silent + power(group.back()) <= kSilentShare * power_) {
      silent += power(group.back());
      group.pop_back();
    }
    return group;
  }

  const model::ModelState& state_;
  const data::SampleSource& source_;
  int threads_;
  std::vector<int64_t> indices_;
  double power_ = 0.0;  // of all groups so far
};

}  // namespace

void measure_noise(const model::ModelState& state, std::vector<NarrowQuantizer>& quantizers, const data::SampleSource& source, int64_t samples,
                   int threads) {
  // A gate that may change cannot be fused with its product. Apart from the others it does not slow them down.
  Group gates, others;
  for (NarrowQuantizer& quantizer : quantizers) {
    const bool gate = std::ranges::any_of(quantizer.members, [&](ValueId member) { return is_own_gate(state.graph, member); });
    (gate ? gates : others).push_back(&quantizer);
  }
  Sensitivity sensitivity(state, source, samples, threads);
  sensitivity.measure(others);
  sensitivity.measure(gates);
}

}  // namespace qtool::optimize
