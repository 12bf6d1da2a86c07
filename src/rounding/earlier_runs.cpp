#include "earlier_runs.h"

#include "lockstep.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "store_layer.h"

namespace qtool::rounding {

namespace {

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

}  // namespace

std::string run_key(const AdaroundOptions& o, const ir::Graph& graph, const model::EncodingTable& grids) {
  const ClassicOptions& c = o.classic;
  return format("{}\nstart {}\nmethod {} seqmse_base {} seed {} wide {} blocks {} tabu {} rows {} {} frontier {}\nclassic {} {} {} {} {} {} {}\n", o.checkpoint_key, fingerprint(graph, grids), method_name(o.method), o.seqmse_base,
                o.seed, o.wide_share, o.blocks, o.tabu, o.least_rows, o.rows_per_input, o.frontier_bytes, c.iterations, c.regularization, c.beta_start, c.beta_end, c.warm_start, c.learning_rate,
                c.batch_rows);
}

std::string memory_key(const model::ModelState& state, const LayerList& layers, const data::SampleSource& source, const AdaroundOptions& options) {
  if (options.memory == nullptr) return {};
  std::string text;
  for (const LayerSite& site : layers.sites) {
    if (state.encodings.at(site.weight).encoding.bits < 8) return {};
    text += format("{} {} {} {}\n", static_cast<uint32_t>(site.node), static_cast<uint32_t>(site.weight), static_cast<uint32_t>(site.bias), static_cast<uint32_t>(site.skip));
  }
  for (const ir::NodeId id : state.graph.node_ids()) text += state.graph.node(id).op_type + " ";
  for (int64_t i = 0; i < source.size(); ++i) text += source.name(i) + "\n";
  return run_key(options, state.graph, grids_of_prefix(state)) + text;
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
    refresh_bias_encoding(state, site);
  }
}

}  // namespace qtool::rounding
