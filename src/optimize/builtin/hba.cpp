// High-bias absorption: a channel that is always above zero gives its least value to the next layer's bias.
// BEFORE   W1, b1 -> ReLU -> W2, b2        AFTER   W1, b1 - c -> ReLU -> W2, b2 + sum over taps of W2 c
// FORMULA  c = 0.9 x the smallest pre-activation seen on samples, where that is positive: exact while the rest stays above 10 %
//          of it; data-free c = max(0, mean - 3 deviations) of the folded batch norm
// REQUIRES readers without padding: a padded tap sees 0 before and after, so with padding the border would be off by W2 c.
//          Such readers are skipped. Behind a ReLU6 only channels that stay below the bound.
// SOURCE   Nagel et al. 2019, "Data-Free Quantization", section 4.1.3
#include <algorithm>
#include <limits>

#include "channel_flow.h"
#include "qtool/optimize/registry.h"
#include "qtool/passes/linear_layer.h"
#include "qtool/passes/rewrite.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;

constexpr double kShareAbsorbed = 0.9, kBoundMargin = 1.1, kDeviations = 3.0;

struct Place {
  Layer writer;
  std::vector<Layer> readers;
  double bound = 0.0;  // of the activation between
};

std::optional<Place> place_behind(const Graph& graph, const Layer& writer) {
  const ir::NodeId user = graph.single_user(writer.output);
  if (user == ir::kNoNode || writer.channel_axis != 1 || !bias_of(graph, writer)) return std::nullopt;
  const auto step = channel_step(graph, graph.node(user));
  const bool relu = passes::is_op(graph.node(user), "Relu");
  if (!step || !(relu || (step->op == ChannelOp::kClip && step->clip.low == 0.0))) return std::nullopt;
  if (graph.is_output(step->output)) return std::nullopt;
  Place place{writer, {}, relu ? std::numeric_limits<double>::infinity() : step->clip.high};
  for (const ir::NodeId id : graph.value(step->output).uses) {
    const auto reader = layer_of(graph, id);
    if (!reader || reader->channel_axis != 1 || !bias_of(graph, *reader) || !reads_no_padding(graph, *reader)) return std::nullopt;
    place.readers.push_back(*reader);
  }
  return place.readers.empty() ? std::nullopt : std::optional(std::move(place));
}

std::vector<double> absorbed(const ChannelMoments& moments, double bound, bool observed) {
  std::vector<double> shift;
  for (size_t c = 0; c < moments.mean.size(); ++c) {
    const double spare = observed ? kShareAbsorbed * moments.lo[c] : moments.mean[c] - kDeviations * moments.deviation[c];
    const bool below_bound = moments.hi[c] * kBoundMargin < bound;
    shift.push_back(below_bound ? std::max(0.0, spare) : 0.0);
  }
  return shift;
}

std::vector<double> negated(std::vector<double> values) {
  for (double& value : values) value = -value;
  return values;
}

void move_to_readers(Candidate& candidate, const Place& place, const std::vector<double>& shift) {
  Graph& graph = candidate.state.graph;
  (void)shift_output(graph, place.writer, negated(shift));
  for (const Layer& reader : place.readers) {
    std::vector<double> gained(static_cast<size_t>(reader.out_channels), 0.0);
    const auto weight = graph.constant(reader.weight)->data<float>();
    WeightIndex(graph, reader).for_each([&](int64_t flat, const WeightPlace& at) {
      gained[static_cast<size_t>(at.out)] += weight[static_cast<size_t>(flat)] * shift[static_cast<size_t>(at.in)];
    });
    (void)shift_output(graph, *layer_of(graph, reader.node), gained);
    const auto means = candidate.statistics.tap_means.find(reader.node);
    if (means == candidate.statistics.tap_means.end()) continue;
    for (size_t i = 0; i < means->second.size(); ++i) means->second[i] -= shift[i / static_cast<size_t>(reader.taps)];
  }
  ChannelMoments& moments = candidate.statistics.channels.at(place.writer.output);
  for (size_t c = 0; c < shift.size(); ++c) {
    moments.mean[c] -= shift[c];
    moments.lo[c] -= shift[c];
    moments.hi[c] -= shift[c];
  }
  passes::update_folded_statistics(candidate.state, place.writer.output, {std::vector<double>(shift.size(), 1.0), negated(shift)});
}

StageOutcome apply(Candidate& candidate, const StageContext& context) {
  StageOutcome outcome;
  int64_t places = 0, channels = 0;
  for (const Layer& writer : layers_of(candidate.state.graph)) {
    const auto place = place_behind(candidate.state.graph, writer);
    const ChannelMoments* moments = candidate.statistics.find(writer.output);
    if (!place || moments == nullptr) continue;
    const std::vector<double> shift = absorbed(*moments, place->bound, context.has_samples);
    const auto count = std::count_if(shift.begin(), shift.end(), [](double c) { return c > 0.0; });
    if (count == 0) continue;
    move_to_readers(candidate, *place, shift);
    ++places;
    channels += count;
  }
  outcome.changes = channels;
  outcome.counts = {{"layers", places}, {"channels", channels}};
  return outcome;
}

}  // namespace

void register_hba(Registry& registry) {
  registry.add({.name = "hba",
                .summary = "high-bias absorption: moves what a channel always has into the next layer's bias",
                .order = 30,
                .kind = StageKind::kPreserving,
                .part_of = {"cle"},
                .apply = apply});
}

}  // namespace qtool::optimize
