#include "noise_equalization.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "layer_noise.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/parallel.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::ValueId;

constexpr double kLargestFactor = 8.0;
// Bounds are exceeded by neighbouring pixels together, so that their errors add in amplitude; and what a few samples show of a tail
// is less than there is.
constexpr double kBoundWeight = 10.0, kStretch = 1.05;

double square(double v) { return v * v; }

const std::vector<double>* find(const std::map<ValueId, std::vector<double>>& map, ValueId id) {
  const auto at = map.find(id);
  return at == map.end() ? nullptr : &at->second;
}

// Adam (Kingma, Ba 2015) on ln f, its step shrinking in two stages.
class Descent {
 public:
  explicit Descent(size_t count) : logs(count, 0.0), first_(count, 0.0), second_(count, 0.0) {}

  void step(const std::vector<double>& gradient, double rate) {
    constexpr double kFirst = 0.9, kSecond = 0.95, kTiny = 1e-12;
    ++steps_;
    const double scale = rate * std::sqrt(1.0 - std::pow(kSecond, steps_)) / (1.0 - std::pow(kFirst, steps_));
    const double limit = std::log(kLargestFactor);
    for (size_t c = 0; c < logs.size(); ++c) {
      first_[c] = kFirst * first_[c] + (1.0 - kFirst) * gradient[c];
      second_[c] = kSecond * second_[c] + (1.0 - kSecond) * square(gradient[c]);
      logs[c] = std::clamp(logs[c] - scale * first_[c] / (std::sqrt(second_[c]) + kTiny), -limit, limit);
    }
  }

  std::vector<double> logs;

 private:
  std::vector<double> first_, second_;
  int steps_ = 0;
};

struct ClippedChannel {
  size_t of_class;
  const BoundTail* tail;
  double weight;  // sensitivity times the square of the bound
};

struct WrittenChannel {
  int64_t of_class;
  double largest, sensitivity;
};

struct WrittenValue {
  std::vector<WrittenChannel> channels;
  double bound = std::numeric_limits<double>::infinity();  // of the Clip that reads it: cuts scaled values
};

// Where a bound lies beyond all values its noise is level: a channel pushed there once would stay. The slope of the chord from
// f = 1, where it is steeper, leads back whatever is not worth its noise.
double way_back(const BoundShift& shift, double log_factor) {
  if (log_factor == 0.0) return shift.slope;
  const double chord = shift.variance / log_factor;
  return log_factor > 0.0 ? std::max(shift.slope, chord) : std::min(shift.slope, chord);
}

class Objective {
 public:
  Objective(const Graph& graph, const ChannelSets& sets, const NoiseEqualizationInputs& inputs) : graph_(graph), sets_(sets), inputs_(inputs) {}

  bool build() {
    for (const Layer& layer : sets_.layers) {
      const ChannelMoments *in = inputs_.statistics.find(layer.input), *out = inputs_.statistics.find(layer.output);
      const std::vector<double>* sensitivity = find(inputs_.sensitivity, layer.output);
      if (in == nullptr || out == nullptr || sensitivity == nullptr) return false;
      LayerNoiseInputs noise{.output_sensitivity = *sensitivity};
      for (const double d : in->deviation) noise.input_variance.push_back(square(d));
      layers_.emplace_back(graph_, layer, std::move(noise));
      written_.push_back(written_value(layer, *out, *sensitivity));
    }
    for (const ir::NodeId id : movable_bounds(graph_, sets_)) {
      if (!add_clip(graph_.node(id))) return false;
    }
    return true;
  }

  // The noise and its gradient by ln f.
  std::pair<double, std::vector<double>> at(const std::vector<double>& factors) const {
    std::vector<LayerNoise::Gradient> parts(layers_.size());
    parallel_for(static_cast<int64_t>(layers_.size()), inputs_.threads, [&](int64_t l, int) {
      const auto at = static_cast<size_t>(l);
      parts[at] = layers_[at].at(of_channels(sets_.layers[at].input, sets_.layers[at].in_channels, factors),
                                 of_channels(sets_.layers[at].output, sets_.layers[at].out_channels, factors));
    });
    double noise = 0.0;
    std::vector<double> gradient(factors.size(), 0.0);
    for (size_t l = 0; l < layers_.size(); ++l) {
      noise += parts[l].noise + add_activation(written_[l], factors, gradient);
      scatter(sets_.layers[l].input, parts[l].in, gradient);
      scatter(sets_.layers[l].output, parts[l].out, gradient);
    }
    for (const ClippedChannel& channel : clipped_) {
      const BoundShift shift = channel.tail->shift(factors[channel.of_class], kStretch);
      noise += channel.weight * shift.variance;
      gradient[channel.of_class] += channel.weight * way_back(shift, std::log(factors[channel.of_class]));
    }
    return {noise, std::move(gradient)};
  }

 private:
  std::vector<double> of_channels(ValueId value, int64_t channels, const std::vector<double>& factors) const {
    std::vector<double> result = by_channel(sets_, value, factors);
    if (result.empty()) result.assign(static_cast<size_t>(channels), 1.0);
    return result;
  }

  void scatter(ValueId value, const std::vector<double>& by_channel, std::vector<double>& gradient) const {
    const auto classes = sets_.value_classes.find(value);
    if (classes == sets_.value_classes.end()) return;
    for (size_t c = 0; c < by_channel.size(); ++c) {
      if (const int64_t of_class = classes->second[c]; of_class != ChannelSets::kFixed) gradient[static_cast<size_t>(of_class)] += by_channel[c];
    }
  }

  WrittenValue written_value(const Layer& layer, const ChannelMoments& out, const std::vector<double>& sensitivity) const {
    WrittenValue value;
    const auto classes = sets_.value_classes.find(layer.output);
    if (classes == sets_.value_classes.end()) return value;
    const ir::NodeId user = graph_.single_user(layer.output);
    if (user != ir::kNoNode && passes::is_op(graph_.node(user), "Clip")) value.bound = clip_bounds(graph_, graph_.node(user))->high;
    for (size_t c = 0; c < out.hi.size(); ++c) value.channels.push_back({classes->second[c], std::max(0.0, out.hi[c]), sensitivity[c]});
    return value;
  }

  // The range is a p-norm of the channels' largest values, as that of weights, up to the bound.
  static double add_activation(const WrittenValue& value, const std::vector<double>& factors, std::vector<double>& gradient) {
    const auto factor = [&](const WrittenChannel& c) { return c.of_class == ChannelSets::kFixed ? 1.0 : factors[static_cast<size_t>(c.of_class)]; };
    double largest = 0.0, total = 0.0, noise = 0.0;
    for (const WrittenChannel& c : value.channels) largest = std::max(largest, c.largest / factor(c));
    if (largest == 0.0) return 0.0;
    const auto power = [&](const WrittenChannel& c) { return std::pow(c.largest / factor(c) / largest, kNorm); };
    for (const WrittenChannel& c : value.channels) total += power(c);
    const double range = largest * std::pow(total, 1.0 / kNorm);
    const double unit = square(std::min(range, value.bound) / kSteps) / 12.0;
    for (const WrittenChannel& c : value.channels) noise += unit * c.sensitivity * square(factor(c));
    for (const WrittenChannel& c : value.channels) {
      if (c.of_class == ChannelSets::kFixed) continue;
      double& slope = gradient[static_cast<size_t>(c.of_class)];
      slope += 2.0 * unit * c.sensitivity * square(factor(c));
      if (range < value.bound) slope -= 2.0 * noise * power(c) / total;
    }
    return noise;
  }

  bool add_clip(const ir::Node& clip) {
    const auto tails = inputs_.tails.find(clip.inputs[0]);
    const std::vector<double>* sensitivity = find(inputs_.sensitivity, clip.outputs[0]);
    if (tails == inputs_.tails.end() || sensitivity == nullptr) return false;
    const double bound = clip_bounds(graph_, clip)->high;
    const std::vector<int64_t>& classes = sets_.value_classes.at(clip.inputs[0]);
    for (size_t c = 0; c < classes.size(); ++c) {
      if (classes[c] == ChannelSets::kFixed) continue;
      clipped_.push_back({static_cast<size_t>(classes[c]), &tails->second[c], kBoundWeight * (*sensitivity)[c] * square(bound)});
    }
    return true;
  }

  const Graph& graph_;
  const ChannelSets& sets_;
  const NoiseEqualizationInputs& inputs_;
  std::vector<LayerNoise> layers_;
  std::vector<WrittenValue> written_;  // by layer
  std::vector<ClippedChannel> clipped_;
};

std::vector<double> exponentials(const std::vector<double>& logs) {
  std::vector<double> result;
  for (const double v : logs) result.push_back(std::exp(v));
  return result;
}

std::vector<double> descend(const Objective& objective, size_t classes) {
  constexpr int kRounds = 30;
  Descent descent(classes);
  for (const double rate : {0.04, 0.02}) {
    for (int step = 0; step < kRounds; ++step) {
      auto [noise, gradient] = objective.at(exponentials(descent.logs));
      for (double& g : gradient) g /= noise;
      descent.step(gradient, rate);
    }
  }
  return exponentials(descent.logs);
}

EqualizationPlan plan_of(const Graph& graph, const ChannelSets& sets, const BoundTails& tails, std::vector<double> factors) {
  EqualizationPlan plan{.factors = std::move(factors)};
  plan.bound_shifts.assign(sets.classes.size(), 0.0);
  for (const ir::NodeId id : movable_bounds(graph, sets)) {
    const ir::Node& clip = graph.node(id);
    const double bound = clip_bounds(graph, clip)->high;
    const std::vector<int64_t>& classes = sets.value_classes.at(clip.inputs[0]);
    for (size_t c = 0; c < classes.size(); ++c) {
      if (classes[c] == ChannelSets::kFixed) continue;
      const auto of_class = static_cast<size_t>(classes[c]);
      const BoundShift shift = tails.at(clip.inputs[0])[c].shift(plan.factors[of_class], 1.0);
      plan.bound_shifts[of_class] += shift.mean * bound;
      plan.moved_bounds += shift.variance > 0.0;
    }
  }
  for (const ChannelSet& set : sets.sets) {
    for (const size_t c : set.classes) plan.largest_factor = std::max({plan.largest_factor, plan.factors[c], 1.0 / plan.factors[c]});
    plan.free_channels += static_cast<int64_t>(set.classes.size());
    ++plan.sets;
  }
  return plan;
}

}  // namespace

std::vector<ir::NodeId> movable_bounds(const Graph& graph, const ChannelSets& sets) {
  std::vector<ir::NodeId> clips;
  for (const ChannelSet& set : sets.sets) {
    for (const ir::NodeId id : set.clips) {
      if (std::isfinite(clip_bounds(graph, graph.node(id))->high) && sets.value_classes.contains(graph.node(id).inputs[0])) clips.push_back(id);
    }
  }
  return clips;
}

std::optional<EqualizationPlan> plan_least_noise(const Graph& graph, const ChannelSets& sets, const NoiseEqualizationInputs& inputs) {
  Objective objective(graph, sets, inputs);
  if (sets.sets.empty() || !objective.build()) return std::nullopt;
  if (objective.at(std::vector<double>(sets.classes.size(), 1.0)).first <= 0.0) return std::nullopt;
  return plan_of(graph, sets, inputs.tails, descend(objective, sets.classes.size()));
}

}  // namespace qtool::optimize
