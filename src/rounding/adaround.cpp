#include "qtool/rounding/adaround.h"

#include <algorithm>
#include <optional>
#include <set>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "block_judge.h"
#include "checkpoint.h"
#include "earlier_runs.h"
#include "gather.h"
#include "layer_site.h"
#include "lockstep.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/interrupt.h"
#include "qtool/support/nearest_name.h"
#include "sampling.h"
#include "sensitivity.h"
#include "settle.h"
#include "solve_layer.h"
#include "store_layer.h"
#include "widen.h"

namespace qtool::rounding {

namespace {

constexpr double kLeastWideGainDb = 0.2;
constexpr double kWorstSettledDb = -0.3;  // means gain as a rule, and 16 images tell the change at the outputs within about that
constexpr int64_t kLeastJudgedSamples = 4;  // of fewer none is kept aside
constexpr int64_t kHeldBytes = int64_t{64} << 20, kMostHeld = 16;  // images kept aside that judge a block's end

struct NamedMethod {
  const char* name;
  Method method;
};
constexpr NamedMethod kMethods[] = {
    {"descent", Method::kDescent}, {"classic", Method::kClassic}, {"nearest", Method::kNearest}, {"seqmse", Method::kSeqMse}};

LayerProblem problem_of(const model::ModelState& state, const ir::Graph& reference, const LayerSite& site, const LayerData& data, int threads) {
  LayerProblem problem{.data = data, .activation = site.activation, .weights = weight_matrix(site, *reference.constant(site.weight)),
                       .bias = {}, .encoding = state.encodings.at(site.weight).encoding, .threads = threads, .coupling = {}, .grid_inputs = 0};
  if (site.bias != ir::kNoValue) problem.bias = reference.constant(site.bias)->to_float();
  if (problem.encoding.per_block() && problem.encoding.per_channel()) {
    const Shape& weight = reference.constant(site.weight)->shape();
    const int64_t taps = weight.rank() > 2 ? weight.span_count(2, weight.rank()) : 1;
    problem.grid_inputs = problem.encoding.block_size * taps;
  }
  return problem;
}

// Activations of one layer leave holes that those of the next do not fit; without this a walk over large images holds twice
// the memory it uses.
void release_free_memory() {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

// What every pass over the layers shares.
struct Run {
  const std::vector<LayerSite>& sites;
  const ir::Graph& reference;
  const data::SampleSource& source;
  const ImageOrder& order;
  const AdaroundOptions& options;
  Reporter& reporter;
  const std::vector<BlockLayer> block_layers;  // of each site

  AdaroundReport round(model::ModelState& state, const std::filesystem::path& folder) const {
    AdaroundReport report;
    std::set<ir::ValueId> tried, taken;  // ends of blocks
    Lockstep lockstep(reference, state, sites, source, {.threads = options.threads,
                                                        .frontier_bytes = options.frontier_bytes,
                                                        .image_order = order.images,
                                                        .stops = walk_stops(reference, sites, options)});
    const Checkpoint checkpoint(folder, folder.empty() ? "" : run_key(options, state.graph, state.encodings), options.resume);
    for (size_t i = 0; i < sites.size(); ++i) {
      std::optional<FinishedLayer> layer = checkpoint.load(i);
      if (layer) {
        lockstep.pass(i);  // the same steps as in a run from the start: other stretches may sum in another order
        ++report.resumed;
      } else {
        stop_if_interrupted(options.checkpoint, i, sites.size());
        layer = solve(state, lockstep, i);
        checkpoint.save(i, *layer);
      }
      say(i, layer->report);
      store_layer(state, sites[i], layer->solution, options.method);
      report.layers.push_back(layer->report);
      if (!block_layers[i].coupling.empty()) {
        tried.insert(block_layers[i].end);
        if (layer->report.method == kBlockMethod) taken.insert(block_layers[i].end);
      }
      release_free_memory();
      reporter.progress("adaround", static_cast<int64_t>(i) + 1, static_cast<int64_t>(sites.size()));
    }
    report.blocks = tried.size();
    report.blocks_taken = taken.size();
    return report;
  }

  FinishedLayer solve(const model::ModelState& state, Lockstep& lockstep, size_t index) const {
    const LayerSite& site = sites[index];
    GatheredLayer gathered = gather_layer(lockstep, reference, sites, index, order, options, wanted_at(lockstep, index));
    LayerProblem problem = problem_of(state, reference, site, gathered.data, options.threads);
    problem.coupling = block_layers[index].coupling;
    const std::optional<BlockJudge> block = block_judge(lockstep, index, std::move(gathered.held));
    FinishedLayer layer{.report = {.node = reference.node(site.node).name, .bits = problem.encoding.bits, .rows = gathered.data.fit.rows}, .solution = {}};
    LayerErrors errors;
    layer.solution = solve_layer(problem, options, index, errors, block ? &*block : nullptr);
    layer.report.error_nearest = errors.nearest;
    layer.report.error_wide = errors.real;
    layer.report.method = layer.solution.method;
    layer.report.error = layer.solution.error;
    return layer;
  }

  GatherOptions wanted_at(const Lockstep& lockstep, size_t index) const {
    if (block_layers[index].coupling.empty()) return {.keep_fit_rows = options.method == Method::kClassic, .held_images = 0};
    const int64_t fitting = kHeldBytes / std::max<int64_t>(1, lockstep.alive_bytes(index));
    return {.keep_fit_rows = sites[index].shape.outputs == 1, .held_images = std::clamp<int64_t>(fitting, 1, kMostHeld)};
  }

  std::optional<BlockJudge> block_judge(const Lockstep& lockstep, size_t index, std::vector<ImageState> held) const {
    const BlockLayer& layer = block_layers[index];
    if (layer.coupling.empty() || held.empty()) return std::nullopt;
    const auto tail = lockstep.nodes_until(index, layer.end);
    if (tail.empty()) return std::nullopt;
    return BlockJudge(reference, sites[index], tail, layer.end, std::move(held), options.threads);
  }

  void say(size_t index, const LayerReport& line) const {
    reporter.debug(format("adaround: {} ({} x {}, {} bits, {} rows): output error {:.3g} -> {:.3g} ({})", line.node, sites[index].shape.channels(),
                          sites[index].shape.inputs, line.bits, line.rows, line.error_nearest, line.error, line.method));
  }
};

// A second pass gives 8 bits to the layers that lost most in the first; the better of both stays.
AdaroundReport round_and_widen(const Run& run, model::ModelState& state) {
  const model::ModelState start = state;
  AdaroundReport report = run.round(state, run.options.checkpoint);
  const std::vector<size_t> weak = layers_to_widen(report.layers, run.sites, run.options.wide_share);
  if (weak.empty()) return report;
  run.reporter.info(format("adaround: {} of {} layers lose much with fewer than 8 bits; rounding once more with 8 bits there", weak.size(), run.sites.size()));
  model::ModelState wide = start;
  for (const size_t i : weak) widen(wide, run.sites[i]);
  AdaroundReport second = run.round(wide, run.options.checkpoint.empty() ? std::filesystem::path() : run.options.checkpoint / "wide");
  const double gain = output_gain_db(run.reference, state, wide, run.source, run.order, run.options.threads);
  second.resumed += report.resumed;
  if (gain < kLeastWideGainDb) {
    run.reporter.info(format("adaround: 8 bits there change the output by {:.2f} dB on images kept aside and are not used", gain));
    return report;
  }
  int64_t widened = 0, all = 0;
  for (size_t i = 0; i < run.sites.size(); ++i) all += report.layers[i].bits < 8 ? run.sites[i].shape.channels() * run.sites[i].shape.inputs : 0;
  for (const size_t i : weak) {
    second.widened.push_back({report.layers[i].node, report.layers[i].error, second.layers[i].error});
    widened += run.sites[i].shape.channels() * run.sites[i].shape.inputs;
  }
  second.widened_share = static_cast<double>(widened) / static_cast<double>(all);
  second.widened_gain_db = gain;
  state = std::move(wide);
  return second;
}

// The float model and the images.
struct Data {
  const ir::Graph& reference;
  const data::SampleSource& source;
  const ImageOrder& order;
};

AdaroundReport round_layers(model::ModelState& state, const LayerList& layers, const Data& data, const AdaroundOptions& options, Reporter& reporter) {
  const bool judged = options.method == Method::kDescent && data.source.size() >= kLeastJudgedSamples;
  const Run run{layers.sites, data.reference, data.source, data.order, options, reporter,
                judged && options.blocks ? block_layers(data.reference, layers.sites, data.source, data.order, options) : std::vector<BlockLayer>(layers.sites.size())};
  AdaroundReport report = judged && options.wide_share > 0.0 ? round_and_widen(run, state) : run.round(state, options.checkpoint);
  for (const SkippedLayer& skipped : layers.skipped) report.skipped.push_back(format("{}: {}", skipped.node, skipped.reason));
  return report;
}

bool settles(const model::ModelState& state, const data::SampleSource& source, const AdaroundOptions& options) {
  const bool ours = options.method == Method::kDescent || options.method == Method::kNearest;
  if (!ours || source.size() < kLeastJudgedSamples) return false;
  constexpr int kFineBits = 16;  // whose rounding moves no mean
  return std::any_of(state.encodings.begin(), state.encodings.end(),
                     [&](const auto& entry) { return !state.graph.is_constant(entry.first) && entry.second.encoding.bits < kFineBits; });
}

void settle(model::ModelState& state, const LayerList& layers, const Data& data, const AdaroundOptions& options, AdaroundReport& report, Reporter& reporter) {
  SettledBiases settled = settle_biases(data.reference, state, layers.sites, data.source, data.order, options, reporter);
  if (settled.layers == 0) return;
  const double gain = output_gain_db(data.reference, state, settled.state, data.source, data.order, options.threads);
  reporter.debug(format("adaround: biases of {} layers that take up rounded activations change the output by {:.2f} dB on images kept aside", settled.layers, gain));
  if (gain < kWorstSettledDb) return;
  report.settled = settled.layers;
  report.settled_gain_db = gain;
  state = std::move(settled.state);
}

}  // namespace

Method method_from_name(const std::string& name) {
  for (const NamedMethod& known : kMethods) {
    if (name == known.name) return known.method;
  }
  throw Error(ErrorCode::kUsage, format("unknown rounding method '{}'; use one of {}{}", name, join(method_names(), ", "),
                                        did_you_mean(name, method_names())));
}

std::string method_name(Method method) {
  return std::find_if(std::begin(kMethods), std::end(kMethods), [&](const NamedMethod& m) { return m.method == method; })->name;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const NamedMethod& known : kMethods) names.emplace_back(known.name);
  return names;
}

AdaroundReport adaround(model::ModelState& state, const data::SampleSource& source, const AdaroundOptions& options, Reporter& reporter) {
  const LayerList layers = find_layers(state);
  const ir::Graph reference = state.graph;
  const ImageOrder order = random_order(options.seed, source.size());
  const InterruptScope interruptible;
  const std::string key = memory_key(state, layers, source, options);
  AdaroundReport report;
  if (const RoundedModel* known = key.empty() ? nullptr : options.memory->find(key)) {
    take_over(*known, layers, state);
    report = known->report;
  } else {
    report = round_layers(state, layers, {reference, source, order}, options, reporter);
    if (!key.empty()) options.memory->keep(key, remembered(state, layers, report));
  }
  if (settles(state, source, options)) settle(state, layers, {reference, source, order}, options, report, reporter);
  remove_checkpoint(options.checkpoint);
  return report;
}

}  // namespace qtool::rounding
