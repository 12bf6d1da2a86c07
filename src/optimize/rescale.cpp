#include "rescale.h"

#include "qtool/passes/linear_layer.h"
#include "qtool/passes/rewrite.h"

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
  return true;
}

}  // namespace qtool::optimize
