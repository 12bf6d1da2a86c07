#include "rescale.h"

#include "qtool/passes/linear_layer.h"
#include "qtool/passes/rewrite.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

void divide_statistics(Candidate& candidate, const ChannelSets& sets, const std::vector<double>& factors) {
  for (auto& [value, moments] : candidate.statistics.channels) moments.divide(by_channel(sets, value, factors));
  for (const Layer& layer : sets.layers) {
    const auto means = candidate.statistics.tap_means.find(layer.node);
    const std::vector<double> in = by_channel(sets, layer.input, factors);
    if (means == candidate.statistics.tap_means.end() || in.empty()) continue;
    for (size_t i = 0; i < means->second.size(); ++i) means->second[i] /= in[i / static_cast<size_t>(layer.taps)];
  }
  for (const auto& [value, classes] : sets.value_classes) {
    passes::ChannelAffine affine;
    for (const double factor : by_channel(sets, value, factors)) affine.scale.push_back(1.0 / factor);
    affine.shift.assign(affine.scale.size(), 0.0);
    passes::update_folded_statistics(candidate.state, value, affine);
  }
}

// Share of a layer's output positions where each tap reads an input.
std::vector<double> coverage_of(const ir::Graph& graph, const Layer& layer) {
  std::vector<double> coverage(static_cast<size_t>(layer.taps), 1.0);
  if (!graph.node(layer.node).op_type.starts_with("Conv")) return coverage;
  const TapWindow window(graph, layer);
  for (int64_t t = 0; t < layer.taps; ++t) coverage[static_cast<size_t>(t)] = window.coverage(t);
  return coverage;
}

// Readers of channels whose bound has moved: the mean that this adds leaves their biases.
bool take_back_shifts(Candidate& candidate, const ChannelSets& sets, const EqualizationPlan& plan) {
  ir::Graph& graph = candidate.state.graph;
  std::vector<double> scaled;
  for (size_t c = 0; c < plan.bound_shifts.size(); ++c) scaled.push_back(plan.bound_shifts[c] / plan.factors[c]);
  for (const Layer& layer : sets.layers) {
    const auto classes = sets.value_classes.find(layer.input);
    if (classes == sets.value_classes.end()) continue;
    const Layer now = *layer_of(graph, layer.node);
    const std::vector<double> coverage = coverage_of(graph, now);
    const auto shift_of = [&](int64_t in) {
      const int64_t of_class = classes->second[static_cast<size_t>(in)];
      return of_class == ChannelSets::kFixed ? 0.0 : scaled[static_cast<size_t>(of_class)];
    };
    std::vector<double> shift(static_cast<size_t>(now.out_channels), 0.0);
    const auto weight = graph.constant(now.weight)->data<float>();
    WeightIndex(graph, now).for_each([&](int64_t flat, const WeightPlace& at) {
      shift[static_cast<size_t>(at.out)] -= weight[static_cast<size_t>(flat)] * coverage[static_cast<size_t>(at.tap)] * shift_of(at.in);
    });
    if (!shift_output(graph, now, shift)) return false;
    const auto means = candidate.statistics.tap_means.find(layer.node);
    if (means == candidate.statistics.tap_means.end()) continue;
    for (size_t i = 0; i < means->second.size(); ++i) {
      const auto taps = static_cast<size_t>(layer.taps);
      means->second[i] += coverage[i % taps] * shift_of(static_cast<int64_t>(i / taps));
    }
  }
  return true;
}

}  // namespace

bool rescale_channels(Candidate& candidate, const ChannelSets& sets, const EqualizationPlan& plan) {
  ir::Graph& graph = candidate.state.graph;
  for (const Layer& layer : sets.layers) {
    const std::vector<double> in = by_channel(sets, layer.input, plan.factors), out = by_channel(sets, layer.output, plan.factors);
    if (in.empty() && out.empty()) continue;
    if (!rescale_layer(graph, *layer_of(graph, layer.node), in, out)) return false;
  }
  for (const ir::NodeId clip : plan.clips_to_relu) {
    const ir::Node& node = graph.node(clip);
    const ir::ValueId input = node.inputs[0], output = node.outputs[0];
    passes::replace_producer(graph, output, {.op_type = "Relu", .inputs = {input}});
  }
  divide_statistics(candidate, sets, plan.factors);
  return plan.bound_shifts.empty() || take_back_shifts(candidate, sets, plan);
}

}  // namespace qtool::optimize
