// Dead channels: a channel whose activation never opens is zeroed, with all weights that only ever meet its zeros.
// BEFORE   conv -> ReLU: channel c is 0 on every sample, yet the next layer holds weights of any size for it
// AFTER    weights and bias of c are 0, the next layer's weights for c are 0: neither sets the scale of a tensor
// REQUIRES mean + k deviations < 0 and maximum < 0 of the pre-activation, k = 6; when the float outputs move, k grows.
//          A channel that is a constant a > 0 is folded into the biases of readers without padding: b' = b + W a.
// SOURCE   own measurements: 38 such channels hold the per-tensor scales of a MobileNet v1 75 times too large
#include <algorithm>
#include <cmath>

#include "channel_flow.h"
#include "qtool/optimize/registry.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::ValueId;

using Constants = std::vector<std::optional<double>>;  // by channel: the value it always has
using ConstantMap = std::map<ValueId, Constants>;

// The activation that alone reads the layer cuts everything below zero.
bool opens_at_zero(const Graph& graph, const Layer& layer) {
  const ir::NodeId user = graph.single_user(layer.output);
  if (user == ir::kNoNode || layer.channel_axis != 1) return false;
  const ir::Node& node = graph.node(user);
  if (passes::is_op(node, "Relu")) return true;
  if (!passes::is_op(node, "Clip") || node.inputs[0] != layer.output) return false;
  const auto bounds = clip_bounds(graph, node);
  return bounds && bounds->low == 0.0 && bounds->high > 0.0;
}

std::vector<bool> dead_channels(const ChannelMoments& moments, double margin) {
  std::vector<bool> dead;
  for (size_t c = 0; c < moments.mean.size(); ++c) {
    dead.push_back(moments.hi[c] < 0.0 && moments.mean[c] + margin * moments.deviation[c] < 0.0);
  }
  return dead;
}

// Output channels whose weights are all zero: the output is the bias.
Constants constants_of_layer(const Graph& graph, const Layer& layer) {
  Constants constants(static_cast<size_t>(layer.out_channels));
  const auto bias = bias_of(graph, layer);
  if (!bias) return constants;
  std::vector<bool> alive(constants.size(), false);
  const auto weight = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    if (weight[static_cast<size_t>(flat)] != 0.0f) alive[static_cast<size_t>(place.out)] = true;
  });
  for (size_t c = 0; c < constants.size(); ++c) {
    if (!alive[c]) constants[c] = (*bias)[c];
  }
  return constants;
}

const Constants* known(const ConstantMap& constants, ValueId value) {
  const auto at = constants.find(value);
  return at == constants.end() ? nullptr : &at->second;
}

std::optional<double> through(const ChannelStep& step, double value) {
  if (step.op == ChannelOp::kRelu) return step.keeps_constants || value == 0.0 ? std::optional(std::max(value, 0.0)) : std::nullopt;
  if (step.op == ChannelOp::kClip) return std::min(std::max(value, step.clip.low), step.clip.high);
  return step.keeps_constants || value == 0.0 ? std::optional(value) : std::nullopt;
}

Constants constants_of_step(const ChannelStep& step, const Graph& graph, const ConstantMap& constants) {
  Constants result(static_cast<size_t>(channel_count(graph, step.output)));
  size_t offset = 0;
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const Constants* input = known(constants, step.inputs[i]);
    const auto count = static_cast<size_t>(channel_count(graph, step.inputs[i]));
    for (size_t c = 0; c < count; ++c) {
      const std::optional<double> value = input != nullptr ? (*input)[c] : std::nullopt;
      if (step.op == ChannelOp::kAdd) {
        if (i == 0) result[c] = value;
        else result[c] = value && result[c] ? std::optional(*result[c] + *value) : std::nullopt;
        continue;
      }
      for (int64_t k = 0; value && k < step.spread; ++k) result[offset + c * static_cast<size_t>(step.spread) + static_cast<size_t>(k)] = through(step, *value);
    }
    if (step.op == ChannelOp::kConcat) offset += count;
  }
  return result;
}

// Every tap of the layer always reads an input, so that a constant channel adds a constant.
bool reads_no_padding(const Graph& graph, const Layer& layer) {
  if (!graph.node(layer.node).op_type.starts_with("Conv")) return true;
  const TapWindow window(graph, layer);
  for (int64_t tap = 0; tap < window.taps(); ++tap) {
    if (window.coverage(tap) != 1.0) return false;
  }
  return true;
}

// Zeroes the weights for constant input channels. Returns how many channels gained by it.
int64_t drop_constant_inputs(Graph& graph, const Layer& layer, const Constants& inputs) {
  const bool may_fold = reads_no_padding(graph, layer) && bias_of(graph, layer).has_value();
  std::vector<bool> dropped(inputs.size(), false);
  for (size_t c = 0; c < inputs.size(); ++c) dropped[c] = inputs[c] && (*inputs[c] == 0.0 || may_fold);
  std::vector<double> shift(static_cast<size_t>(layer.out_channels), 0.0);
  std::vector<bool> had_weights(inputs.size(), false);
  const auto weight = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    const auto in = static_cast<size_t>(place.in);
    const double w = weight[static_cast<size_t>(flat)];
    if (!dropped[in] || w == 0.0) return;
    had_weights[in] = true;
    shift[static_cast<size_t>(place.out)] += w * *inputs[in];
  });
  const auto gained = std::count(had_weights.begin(), had_weights.end(), true);
  if (gained == 0) return 0;
  if (std::any_of(shift.begin(), shift.end(), [](double s) { return s != 0.0; }) && !shift_output(graph, layer, shift)) return 0;
  zero_weights(graph, *layer_of(graph, layer.node), {.in = std::move(dropped)});
  return gained;
}

struct Counts {
  int64_t dead = 0, inputs = 0;
};

void zero_channels(Graph& graph, const Layer& layer, const std::vector<bool>& dead) {
  const auto bias = *bias_of(graph, layer);
  std::vector<double> shift(bias.size(), 0.0);
  for (size_t c = 0; c < bias.size(); ++c) {
    if (dead[c]) shift[c] = -bias[c];
  }
  zero_weights(graph, layer, {.out = dead});
  (void)shift_output(graph, *layer_of(graph, layer.node), shift);
}

Counts remove_dead(Candidate& candidate, double margin) {
  Graph& graph = candidate.state.graph;
  Counts counts;
  ConstantMap constants;
  for (const ir::NodeId id : graph.topological_order()) {
    const auto layer = layer_of(graph, id);
    if (!layer || layer->channel_axis != 1) {
      if (const auto step = channel_step(graph, graph.node(id))) constants[step->output] = constants_of_step(*step, graph, constants);
      continue;
    }
    if (const Constants* inputs = known(constants, layer->input)) counts.inputs += drop_constant_inputs(graph, *layer, *inputs);
    const Layer now = *layer_of(graph, id);
    const ChannelMoments* moments = candidate.statistics.find(now.output);
    if (moments != nullptr && opens_at_zero(graph, now) && bias_of(graph, now)) {
      const std::vector<bool> dead = dead_channels(*moments, margin);
      if (const auto count = std::count(dead.begin(), dead.end(), true); count > 0) {
        zero_channels(graph, now, dead);
        counts.dead += count;
      }
    }
    constants[now.output] = constants_of_layer(graph, *layer_of(graph, id));
  }
  return counts;
}

StageOutcome apply(Candidate& candidate, const StageContext& context) {
  StageOutcome outcome;
  for (const double margin : {6.0, 10.0, 20.0}) {
    Candidate tried = candidate;
    const Counts counts = remove_dead(tried, margin);
    outcome.changes = counts.dead + counts.inputs;
    outcome.counts = {{"dead channels", counts.dead}, {"input channels freed of weights", counts.inputs}};
    const bool holds = outcome.changes == 0 || context.float_difference(tried.state.graph) <= kFloatTolerance;
    if (holds || margin == 20.0) {
      if (margin > 6.0) outcome.notes.push_back(format("channels count as dead {} deviations below zero: with less the float outputs moved", margin));
      candidate = std::move(tried);
      break;
    }
  }
  return outcome;
}

}  // namespace

void register_dead_channels(Registry& registry) {
  registry.add({.name = "dead-channels",
                .summary = "channels that never open set no scale: their weights, and those that meet their zeros, become zero",
                .order = 10,
                .kind = StageKind::kPreserving,
                .part_of = {"*"},
                .apply = apply});
}

}  // namespace qtool::optimize
