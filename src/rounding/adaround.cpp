#include "qtool/rounding/adaround.h"

#include <algorithm>
#include <optional>

#include "checkpoint.h"
#include "gather.h"
#include "layer_site.h"
#include "lockstep.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/interrupt.h"
#include "qtool/support/nearest_name.h"
#include "sampling.h"
#include "solve_layer.h"

namespace qtool::rounding {

namespace {

struct NamedMethod {
  const char* name;
  Method method;
};
constexpr NamedMethod kMethods[] = {
    {"descent", Method::kDescent}, {"classic", Method::kClassic}, {"nearest", Method::kNearest}, {"seqmse", Method::kSeqMse}};

LayerProblem problem_of(const model::ModelState& state, const ir::Graph& reference, const LayerSite& site, const LayerData& data, int threads) {
  LayerProblem problem{.data = data, .activation = site.activation, .weights = weight_matrix(site, *reference.constant(site.weight)),
                       .bias = {}, .encoding = state.encodings.at(site.weight).encoding, .threads = threads};
  if (site.bias != ir::kNoValue) problem.bias = reference.constant(site.bias)->to_float();
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
std::string fingerprint(const model::ModelState& state) {
  Bytes bytes;
  const auto add = [&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); };
  for (const ir::ValueId id : state.graph.value_ids()) {
    const ir::Value& value = state.graph.value(id);
    add(std::as_bytes(std::span(value.name)));
    if (value.constant) add(value.constant->bytes());
    const quant::Encoding* encoding = model::find_encoding(state.encodings, id);
    if (encoding == nullptr) continue;
    add(std::as_bytes(std::span(&encoding->bits, 1)));
    add(std::as_bytes(std::span(encoding->grids)));
  }
  return sha256_hex(bytes);
}

// Whatever changes the result and is not in the caller's key.
std::string checkpoint_key(const AdaroundOptions& o, const model::ModelState& state) {
  const ClassicOptions& c = o.classic;
  return format("{}\nstart {}\nmethod {} seqmse_base {} seed {} rows {} {} frontier {}\nclassic {} {} {} {} {} {} {}\n", o.checkpoint_key, fingerprint(state), method_name(o.method), o.seqmse_base,
                o.seed, o.least_rows, o.rows_per_input, o.frontier_bytes, c.iterations, c.regularization, c.beta_start, c.beta_end, c.warm_start, c.learning_rate,
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
  AdaroundReport report;
  for (const SkippedLayer& skipped : layers.skipped) report.skipped.push_back(format("{}: {}", skipped.node, skipped.reason));
  const ir::Graph reference = state.graph;
  const std::vector<bool> held_out = held_out_images(options.seed, source.size());
  Lockstep lockstep(reference, state, layers.sites, source, {.threads = options.threads, .prefix = options.prefix, .frontier_bytes = options.frontier_bytes});
  const auto total = static_cast<int64_t>(layers.sites.size());
  const Checkpoint checkpoint(options.checkpoint, options.checkpoint.empty() ? "" : checkpoint_key(options, state), options.resume);
  const InterruptScope interruptible;
  for (size_t i = 0; i < layers.sites.size(); ++i) {
    const LayerSite& site = layers.sites[i];
    std::optional<FinishedLayer> layer = checkpoint.load(i);
    if (layer) {
      // The walk makes the same steps as in a run from the start: other stretches may sum in another order.
      lockstep.advance(i, source.size(), [](int64_t, const ImageState&) {}, [](int64_t, int64_t) {});
      ++report.resumed;
    } else {
      stop_if_interrupted(options, i, layers.sites.size());
      const LayerData data = gather_layer(lockstep, reference, layers.sites, i, held_out, options);
      layer.emplace();
      layer->report = {.node = reference.node(site.node).name, .rows = data.fit.rows};
      const LayerProblem problem = problem_of(state, reference, site, data, options.threads);
      layer->report.bits = problem.encoding.bits;
      layer->solution = solve_layer(problem, options, i, layer->report.error_nearest);
      layer->report.method = layer->solution.method;
      layer->report.error = layer->solution.error;
      checkpoint.save(i, *layer);
    }
    const LayerReport& line = layer->report;
    reporter.debug(format("adaround: {} ({} x {}, {} rows): output error {:.3g} -> {:.3g} ({})", line.node, site.shape.channels(), site.shape.inputs,
                          line.rows, line.error_nearest, line.error, line.method));
    store(state, site, layer->solution, options.method);
    report.layers.push_back(line);
    reporter.progress("adaround", static_cast<int64_t>(i) + 1, total);
  }
  checkpoint.remove();
  return report;
}

}  // namespace qtool::rounding
