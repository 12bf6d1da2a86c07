#include "qtool/rounding/adaround.h"

#include <algorithm>
#include <optional>
#include <set>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "block_judge.h"
#include "checkpoint.h"
#include "gather.h"
#include "layer_site.h"
#include "lockstep.h"
#include "qtool/quant/quantize.h"
#include "qtool/rounding/rounding_memory.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/interrupt.h"
#include "qtool/support/nearest_name.h"
#include "sampling.h"
#include "sensitivity.h"
#include "solve_layer.h"
#include "widen.h"

namespace qtool::rounding {

namespace {

constexpr double kLeastWideGainDb = 0.2;
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

// As compute_encodings does it: from the scales of input and weight, or from a range of its own.
void refresh_bias_encoding(model::ModelState& state, ir::ValueId bias) {
  const model::TensorPlan* plan = state.plan.find(bias);
  const auto entry = state.encodings.find(bias);
  if (plan == nullptr || entry == state.encodings.end() || entry->second.frozen) return;
  const Tensor& tensor = *state.graph.constant(bias);
  const quant::Encoding* input = model::find_encoding(state.encodings, plan->bias_of_input);
  const quant::Encoding* weight = model::find_encoding(state.encodings, plan->bias_of_weight);
  if (input != nullptr && weight != nullptr) {
    entry->second.encoding = quant::bias_encoding(input->grids[0].scale, *weight, tensor.element_count());
  } else {
    entry->second.encoding = quant::encoding_from_ranges(plan->spec, quant::tensor_ranges(tensor, -1));
  }
}

// The bias slot, movable or not: its grid follows the weight's.
ir::ValueId bias_of(const ir::Graph& graph, const LayerSite& site) {
  const ir::Node& node = graph.node(site.node);
  const bool has = node.op_type != "MatMul" && node.inputs.size() > 2 && graph.is_constant(node.inputs[2]);
  return has ? node.inputs[2] : ir::kNoValue;
}

// Parameters and grids that the run starts from: model, bit widths, calibration and earlier stages are all in there.
std::string fingerprint(const ir::Graph& graph, const model::EncodingTable& grids) {
  Bytes bytes;
  const auto add = [&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); };
  for (const ir::ValueId id : graph.value_ids()) {
    const ir::Value& value = graph.value(id);
    add(std::as_bytes(std::span(value.name)));
    if (value.constant) add(value.constant->bytes());
    const quant::Encoding* encoding = model::find_encoding(grids, id);
    if (encoding == nullptr) continue;
    add(std::as_bytes(std::span(&encoding->bits, 1)));
    add(std::as_bytes(std::span(encoding->grids)));
  }
  return sha256_hex(bytes);
}

// Whatever changes the result and is not in the caller's key.
std::string key_of(const AdaroundOptions& o, const std::string& start) {
  const ClassicOptions& c = o.classic;
  return format("{}\nstart {}\nmethod {} seqmse_base {} seed {} wide {} blocks {} tabu {} rows {} {} frontier {}\nclassic {} {} {} {} {} {} {}\n", o.checkpoint_key, start, method_name(o.method), o.seqmse_base,
                o.seed, o.wide_share, o.blocks, o.tabu, o.least_rows, o.rows_per_input, o.frontier_bytes, c.iterations, c.regularization, c.beta_start, c.beta_end, c.warm_start, c.learning_rate,
                c.batch_rows);
}

void stop_if_interrupted(const AdaroundOptions& options, size_t done, size_t total) {
  if (!InterruptScope::requested()) return;
  throw Interrupted(options.checkpoint.empty() ? format("interrupted after {} of {} layers", done, total)
                                         : format("interrupted after {} of {} layers, which are kept in {}; the same command with --resume goes on from there",
                                                  done, total, options.checkpoint.string()));
}

void store(model::ModelState& state, const LayerSite& site, const LayerSolution& solution, Method method) {
  ir::Value& weight = state.graph.value(site.weight);
  if (method != Method::kSeqMse) weight.constant = weight_tensor(site, weight.constant->shape(), solution.weights);
  model::EncodingEntry& entry = state.encodings.at(site.weight);
  entry.encoding = solution.encoding;
  entry.source = method == Method::kSeqMse ? solution.method : format("adaround ({})", solution.method);
  entry.frozen = true;
  if (site.bias == ir::kNoValue || method == Method::kSeqMse) return refresh_bias_encoding(state, bias_of(state.graph, site));
  ir::Value& bias = state.graph.value(site.bias);
  bias.constant = Tensor::from<float>(bias.constant->shape(), std::span<const float>(solution.bias));
  refresh_bias_encoding(state, site.bias);
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
    const Checkpoint checkpoint(folder, folder.empty() ? "" : key_of(options, fingerprint(state.graph, state.encodings)), options.resume);
    for (size_t i = 0; i < sites.size(); ++i) {
      std::optional<FinishedLayer> layer = checkpoint.load(i);
      if (layer) {
        lockstep.pass(i);  // the same steps as in a run from the start: other stretches may sum in another order
        ++report.resumed;
      } else {
        stop_if_interrupted(options, i, sites.size());
        layer = solve(state, lockstep, i);
        checkpoint.save(i, *layer);
      }
      say(i, layer->report);
      store(state, sites[i], layer->solution, options.method);
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

// ---- earlier runs --------------------------------------------------------------------------------------------------

// The walk rounds no activation, so it does not see their grids; only whether layers get more than the bits asked for is judged
// with them. Empty: this run cannot be taken over.
std::string memory_key(const model::ModelState& state, const LayerList& layers, const data::SampleSource& source, const AdaroundOptions& options) {
  if (options.memory == nullptr) return {};
  std::string text;
  for (const LayerSite& site : layers.sites) {
    if (state.encodings.at(site.weight).encoding.bits < 8) return {};
    text += format("{} {} {} {}\n", static_cast<uint32_t>(site.node), static_cast<uint32_t>(site.weight), static_cast<uint32_t>(site.bias), static_cast<uint32_t>(site.skip));
  }
  for (const ir::NodeId id : state.graph.node_ids()) text += state.graph.node(id).op_type + " ";
  for (int64_t i = 0; i < source.size(); ++i) text += source.name(i) + "\n";
  return key_of(options, fingerprint(state.graph, grids_of_prefix(state)) + text);
}

RoundedModel remembered(const model::ModelState& state, const LayerList& layers, AdaroundReport report) {
  RoundedModel model{.report = std::move(report), .layers = {}};
  for (const LayerSite& site : layers.sites) {
    RoundedLayer layer{.encoding = state.encodings.at(site.weight), .weight = *state.graph.constant(site.weight), .bias = {}};
    if (site.bias != ir::kNoValue) layer.bias = *state.graph.constant(site.bias);
    model.layers.push_back(std::move(layer));
  }
  return model;
}

void take_over(const RoundedModel& model, const LayerList& layers, model::ModelState& state) {
  for (size_t i = 0; i < layers.sites.size(); ++i) {
    const LayerSite& site = layers.sites[i];
    state.graph.value(site.weight).constant = model.layers[i].weight;
    state.encodings.at(site.weight) = model.layers[i].encoding;
    if (site.bias != ir::kNoValue) state.graph.value(site.bias).constant = model.layers[i].bias;
    refresh_bias_encoding(state, site.bias != ir::kNoValue ? site.bias : bias_of(state.graph, site));
  }
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
  const std::string key = memory_key(state, layers, source, options);
  if (const RoundedModel* known = key.empty() ? nullptr : options.memory->find(key)) {
    take_over(*known, layers, state);
    return known->report;
  }
  const ir::Graph reference = state.graph;
  const ImageOrder order = random_order(options.seed, source.size());
  const InterruptScope interruptible;
  const bool blocks = options.blocks && options.method == Method::kDescent && source.size() >= 4;
  const Run run{layers.sites, reference, source, order, options, reporter,
                blocks ? block_layers(reference, layers.sites, source, order, options) : std::vector<BlockLayer>(layers.sites.size())};
  AdaroundReport report;
  if (options.method != Method::kDescent || !(options.wide_share > 0.0) || source.size() < 4) {
    report = run.round(state, options.checkpoint);
  } else {
    report = round_and_widen(run, state);
  }
  for (const SkippedLayer& skipped : layers.skipped) report.skipped.push_back(format("{}: {}", skipped.node, skipped.reason));
  remove_checkpoint(options.checkpoint);
  if (!key.empty()) options.memory->keep(key, remembered(state, layers, report));
  return report;
}

}  // namespace qtool::rounding
