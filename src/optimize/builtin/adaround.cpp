// AdaRound: levels that keep every layer's output instead of the nearest ones; biases follow in closed form.
// FORMULA and SOURCE  docs/rounding.md, rounding/adaround.h
// REQUIRES samples. All of them are used: each layer keeps some images aside for its own choices.
#include "qtool/optimize/registry.h"
#include "qtool/rounding/adaround.h"
#include "qtool/support/format.h"

namespace qtool::optimize {

namespace {

std::string widened_line(const rounding::AdaroundReport& report) {
  std::vector<std::string> layers;
  for (const rounding::WidenedLayer& layer : report.widened) {
    layers.push_back(format("{} (output error {:.3g} -> {:.3g})", layer.node, layer.error, layer.error_wide));
  }
  return format("8 bits for {} layers that lose much with fewer, {:.1f} % of the weights (--adaround-8bit-share), {:+.2f} dB at the outputs: {}",
                layers.size(), 100.0 * report.widened_share, report.widened_gain_db, join(layers, ", "));
}

StageOutcome round_weights(Candidate& candidate, const StageContext& context, rounding::Method method) {
  StageOutcome outcome;
  if (context.samples == nullptr) {
    outcome.notes.emplace_back("there are no samples to fit on");
    return outcome;
  }
  rounding::AdaroundOptions options = context.adaround;
  options.threads = context.threads;
  options.method = method;
  const rounding::AdaroundReport report = rounding::adaround(candidate.state, *context.samples, options, context.reporter);
  outcome.changes = static_cast<int64_t>(report.layers.size());
  outcome.counts = {{"layers", outcome.changes}, {"layers left alone", static_cast<int64_t>(report.skipped.size())}};
  for (const rounding::LayerReport& layer : report.layers) {
    outcome.details.push_back(format("{}: {} bits, {} rows, output error {:.4g} with nearest levels, {:.4g} now ({})", layer.node, layer.bits,
                                   layer.rows, layer.error_nearest, layer.error, layer.method));
  }
  if (report.blocks > 0) {
    outcome.counts.emplace_back("blocks", static_cast<int64_t>(report.blocks));
    outcome.counts.emplace_back("blocks taken", static_cast<int64_t>(report.blocks_taken));
    outcome.notes.push_back(format("{} of {} blocks came nearer to the float model on images kept aside with levels found against their end (--adaround-blocks)",
                                   report.blocks_taken, report.blocks));
  }
  if (report.settled > 0) {
    outcome.notes.push_back(format("biases of {} layers also take up what rounding of activations moves, {:+.2f} dB at the outputs", report.settled, report.settled_gain_db));
  }
  if (!report.widened.empty()) outcome.notes.push_back(widened_line(report));
  for (const std::string& skipped : report.skipped) outcome.details.push_back("left alone: " + skipped);
  return outcome;
}

}  // namespace

void register_adaround(Registry& registry) {
  registry.add({.name = "adaround",
                .summary = "optimised rounding: weights take the levels that keep the layer's output",
                .order = 90,  // it corrects biases itself; bc after it finds nothing left
                .kind = StageKind::kCorrecting,
                .rounds = true,
                .apply = [](Candidate& candidate, const StageContext& context) {
                  return round_weights(candidate, context, context.adaround.method);
                }});
  registry.add({.name = "seqmse",
                .summary = "SeqMSE: weight ranges by the error of the layer's output; weights stay as they are",
                .order = 80,
                .kind = StageKind::kCorrecting,
                .apply = [](Candidate& candidate, const StageContext& context) {
                  return round_weights(candidate, context, rounding::Method::kSeqMse);
                }});
}

}  // namespace qtool::optimize
