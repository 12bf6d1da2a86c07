#include "damping.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qtool::optimize {

namespace {

constexpr double kSteps = 255.0;
constexpr double kExponents[] = {1.0, 0.75, 0.5, 0.25, 0.0};  // the first wins ties
constexpr double kGain = 0.98;  // noise that a smaller exponent must fall to, relative to the best so far

double square(double v) { return v * v; }

class Damping {
 public:
  Damping(const ir::Graph& graph, const ChannelSets& sets, const Statistics& statistics, std::vector<WeightRanges>& ranges,
          std::vector<double>& factors)
      : graph_(graph), sets_(sets), statistics_(statistics), ranges_(ranges), factors_(factors) {
    for (const Layer& layer : sets.layers) {
      std::vector<double>& columns = columns_.emplace_back(static_cast<size_t>(layer.in_channels), 0.0);
      const auto weight = graph.constant(layer.weight)->data<float>();
      WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& at) {
        columns[static_cast<size_t>(at.in)] += square(weight[static_cast<size_t>(flat)]);
      });
    }
  }

  // The set's factors become the best of their powers.
  bool damp(const ChannelSet& set) {
    std::vector<double> full;
    for (const size_t c : set.classes) full.push_back(factors_[c]);
    double best = 1.0, least = std::numeric_limits<double>::infinity();
    for (const double exponent : kExponents) {
      apply(set, full, exponent);
      const auto noise = noise_of(set);
      if (!noise) break;
      if (*noise >= (exponent == 1.0 ? 1.0 : kGain) * least) continue;
      least = *noise;
      best = exponent;
    }
    apply(set, full, best);
    return best < 1.0;
  }

 private:
  void apply(const ChannelSet& set, const std::vector<double>& full, double exponent) {
    for (size_t i = 0; i < full.size(); ++i) factors_[set.classes[i]] = std::pow(full[i], exponent);
  }

  // Sum over inputs and taps of the variance of what an output channel reads, by output channel, under present factors.
  std::optional<std::vector<double>> read_variance(size_t l) const {
    const Layer& layer = sets_.layers[l];
    const ChannelMoments* input = statistics_.find(layer.input);
    if (input == nullptr) return std::nullopt;
    const std::vector<double> in = by_channel(sets_, layer.input, factors_);
    const int64_t per_group = graph_.constant(layer.weight)->element_count() / layer.taps;
    std::vector<double> variance;
    for (size_t i = 0; i < input->deviation.size(); ++i) variance.push_back(square(input->deviation[i] / (in.empty() ? 1.0 : in[i])));
    std::vector<double> sums(static_cast<size_t>(layer.out_channels), 0.0);
    if (per_group == layer.in_channels && layer.in_channels == layer.out_channels) {  // depthwise
      for (size_t o = 0; o < sums.size(); ++o) sums[o] = static_cast<double>(layer.taps) * variance[o];
      return sums;
    }
    double total = 0.0;
    for (const double v : variance) total += v;
    const double groups = static_cast<double>(layer.in_channels * layer.out_channels) / static_cast<double>(per_group);
    std::fill(sums.begin(), sums.end(), static_cast<double>(layer.taps) * total / groups);
    return sums;
  }

  static std::set<size_t> layers_at(const ChannelSets& sets, const ChannelSet& set, std::vector<ChannelEnd> ChannelClass::*ends) {
    std::set<size_t> layers;
    for (const size_t c : set.classes) {
      for (const ChannelEnd& end : sets.classes[c].*ends) layers.insert(end.layer);
    }
    return layers;
  }

  double step(size_t l) const { return 2.0 * ranges_[l].largest() / kSteps; }

  // Of the activations that the set's writers leave, in scaled units.
  std::optional<double> activation_step(const ChannelSet& set) const {
    double largest = 0.0;
    for (const size_t c : set.classes) {
      for (const ChannelEnd& end : sets_.classes[c].writers) {
        const ChannelMoments* moments = statistics_.find(sets_.layers[end.layer].output);
        if (moments == nullptr) return std::nullopt;
        largest = std::max(largest, moments->hi[static_cast<size_t>(end.channel)] / factors_[c]);
      }
    }
    return largest / kSteps;
  }

  std::optional<double> noise_of(const ChannelSet& set) {
    const auto writers = layers_at(sets_, set, &ChannelClass::writers), readers = layers_at(sets_, set, &ChannelClass::readers);
    std::map<size_t, std::vector<double>> read;
    for (const auto* side : {&writers, &readers}) {
      for (const size_t l : *side) {
        ranges_[l].refresh();
        auto variance = read_variance(l);
        if (!variance) return std::nullopt;
        read[l] = std::move(*variance);
      }
    }
    const auto activation = activation_step(set);
    if (!activation) return std::nullopt;
    std::map<size_t, double> noise;
    for (const size_t r : readers) noise[r] = own_noise(r, read.at(r));
    for (const size_t c : set.classes) {
      double written = square(*activation);
      for (const ChannelEnd& end : sets_.classes[c].writers) {
        written += square(step(end.layer)) * read.at(end.layer)[static_cast<size_t>(end.channel)];
      }
      for (const ChannelEnd& end : sets_.classes[c].readers) {
        noise[end.layer] += columns_[end.layer][static_cast<size_t>(end.channel)] * square(factors_[c]) * written;
      }
    }
    double total = 0.0;
    for (const auto& [r, power] : noise) {
      const auto signal = signal_of(r);
      if (!signal) return std::nullopt;
      total += power / std::max(*signal, 1e-30);
    }
    return total;
  }

  // Of rounding the reader's weights, at its outputs in float units.
  double own_noise(size_t l, const std::vector<double>& read) const {
    const std::vector<double> out = by_channel(sets_, sets_.layers[l].output, factors_);
    double noise = 0.0;
    for (size_t o = 0; o < read.size(); ++o) noise += read[o] * square(out.empty() ? 1.0 : out[o]);
    return square(step(l)) * noise;
  }

  std::optional<double> signal_of(size_t l) const {
    const ChannelMoments* output = statistics_.find(sets_.layers[l].output);
    if (output == nullptr) return std::nullopt;
    double power = 0.0;
    for (const double d : output->deviation) power += square(d);
    return power;
  }

  const ir::Graph& graph_;
  const ChannelSets& sets_;
  const Statistics& statistics_;
  std::vector<WeightRanges>& ranges_;
  std::vector<double>& factors_;
  std::vector<std::vector<double>> columns_;  // by layer and input channel: sum of squared weights
};

}  // namespace

int64_t damp_factors(const ir::Graph& graph, const ChannelSets& sets, const std::vector<const ChannelSet*>& chosen,
                     const Statistics& statistics, std::vector<WeightRanges>& ranges, std::vector<double>& factors) {
  Damping damping(graph, sets, statistics, ranges, factors);
  return std::count_if(chosen.begin(), chosen.end(), [&](const ChannelSet* set) { return damping.damp(*set); });
}

}  // namespace qtool::optimize
