#include "analyze_page.h"

#include <algorithm>

#include "qtool/pipeline/recipe.h"
#include "qtool/support/format.h"
#include "report_document.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;

Json percent(const std::optional<double>& share) { return share ? shortened(100.0 * *share) : Json(nullptr); }

Json blocks_json(const NoiseFigure& figure) {
  Json blocks = Json::object();
  for (const BlockNoise& block : figure.blocks) blocks[block.name] = block.sqnr_db ? shortened(*block.sqnr_db) : Json(nullptr);
  return blocks;
}

std::string loss_text(const NoiseFigure& figure) { return figure.loss ? format("{:.2f} %", 100.0 * *figure.loss) : std::string("no signal left"); }

Json layer_json(const LayerSensitivity& layer) {
  Json json = {{"name", layer.name}, {"op", layer.op}, {"on_loss", percent(layer.alone.loss)}, {"on_blocks", blocks_json(layer.alone)}};
  if (layer.gain_db) json["off_gain_db"] = shortened(*layer.gain_db);
  if (layer.metric_alone) json["on_metric"] = percent(layer.metric_alone);
  if (layer.metric_without) json["off_metric"] = percent(layer.metric_without);
  if (!layer.cause.empty()) json["cause"] = layer.cause;
  if (!layer.option.empty()) json["option"] = layer.option;
  return json;
}

std::string measure_sentence(const AnalyzeResult& result) {
  return format("Noise amplitude at the outputs over their signal, on {} calibration samples and without labels{}. Alone: only this layer is "
                "quantized. Gain in float: everything but this layer is quantized, against everything.", result.samples,
                result.detector ? "; decoded boxes and final scores apart, boxes weighing ten times" : "");
}

Json sensitivity_part(const AnalyzeResult& result) {
  Json part = {{"measure", measure_sentence(result)}, {"images", result.samples}, {"layers", Json::array()}, {"totals", Json::array()}};
  if (!result.metric.empty()) part["metric"] = result.metric;
  for (const QuantizedPart& one : result.parts) {
    Json row = {{"name", one.name}, {"loss", percent(one.noise.loss)}, {"blocks", blocks_json(one.noise)}};
    if (one.metric) row["metric"] = percent(one.metric);
    part["totals"].push_back(std::move(row));
  }
  for (const LayerSensitivity& layer : result.layers) part["layers"].push_back(layer_json(layer));
  return part;
}

// Layers worth a sentence: those with a cause, and those that lose much by themselves and beside the worst one.
Json worst_part(const AnalyzeResult& result) {
  constexpr size_t kShown = 9, kSearched = 40;
  constexpr double kMuch = 0.02, kBesideWorst = 0.05;
  Json list = Json::array();
  const double most = result.layers.empty() ? 0.0 : result.layers[0].alone.loss.value_or(1.0);
  for (size_t i = 0; i < std::min(kSearched, result.layers.size()) && list.size() < kShown; ++i) {
    const LayerSensitivity& layer = result.layers[i];
    const double loss = layer.alone.loss.value_or(1.0);
    if (layer.cause.empty() && loss < std::max(kMuch, kBesideWorst * most)) continue;
    Json json = {{"name", layer.tensor.empty() ? layer.name : layer.tensor}, {"op", layer.op}, {"figure", loss_text(layer.alone)},
                 {"tone", loss > 0.3 ? "bad" : loss > 0.05 ? "warn" : "neutral"}};
    json["kind"] = layer.kind.empty() ? "no single cause" : layer.kind;
    json["cause"] = layer.cause.empty() ? std::string("Nothing about its range stands out; the outputs depend on it more than on others.") : layer.cause;
    if (!layer.option.empty()) json["option"] = layer.option;
    else if (layer.cause.empty() && loss > 0.05) json["option"] = format("--float '{}'", layer.name);
    list.push_back(std::move(json));
  }
  return list;
}

Json cards_part(const AnalyzeResult& result, const model::TargetProfile& p) {
  Json cards = Json::array();
  cards.push_back(card("Profile", p.name, format("W{}A{}, {}-bit bias, {}", p.weight_bits, p.activation_bits, p.bias_bits, p.per_channel ? "per channel" : "per tensor")));
  for (const QuantizedPart& part : result.parts) {
    std::vector<std::string> blocks;
    for (const BlockNoise& block : part.noise.blocks) blocks.push_back(format("{} {}", block.name, block.sqnr_db ? format("{:.1f} dB", *block.sqnr_db) : "exact"));
    const double loss = part.noise.loss.value_or(1.0);
    cards.push_back(card(part.name, loss_text(part.noise), format("noise at the outputs; {}", join(blocks, ", ")), loss > 0.5 ? "bad" : loss > 0.1 ? "warn" : "good"));
  }
  if (!result.layers.empty()) {
    cards.push_back(card("Worst layer", loss_text(result.layers[0].alone), format("noise with only {} {} quantized", result.layers[0].op, result.layers[0].name)));
  }
  if (result.float_metric && result.parts.back().metric) {
    cards.push_back(card(result.metric, format("{:.2f}", 100.0 * *result.parts.back().metric), format("{:.2f} in float", 100.0 * *result.float_metric)));
  }
  return cards;
}

}  // namespace

std::string analyze_page(const AnalyzeConfig& config, const AnalyzeResult& result, const QuantizedModel& quantized, Reporter& reporter) {
  Json document = start_document("analyze", config.quantize.model.path,
                                 format("{} quantizer groups, profile {}", result.layers.size(), quantized.profile.name));
  document["cards"] = cards_part(result, quantized.profile);
  document["warnings"] = result.warnings;
  document["worst_layers"] = worst_part(result);
  document["sensitivity"] = sensitivity_part(result);
  document["tensors"] = tensors_part(quantized.model.state, quantized.optimized.calibration.statistics);
  document["run"] = {{"model", {{"file", result.model}, {"sha256", quantized.model.sha256}}},
                     {"recipe", Json::parse(recipe_json(recipe_of(config.quantize, "analyzed")))}};
  return render_page(document, reporter);
}

}  // namespace qtool::pipeline
