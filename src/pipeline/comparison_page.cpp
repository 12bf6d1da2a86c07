#include "comparison_page.h"

#include <algorithm>
#include <cmath>

#include "labelled_samples.h"
#include "qtool/support/format.h"
#include "quantize_page.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr size_t kImagesShown = 6, kWorstShown = 12, kEqualizedShown = 20;

double points(double share) { return 100.0 * share; }
double rounded(double value) { return std::round(1000.0 * value) / 1000.0; }

std::string in_words(const QuantizeConfig& config, const model::TargetProfile& p) {
  std::string text = format("{}: W{}A{}, weights {}, {}-bit bias, activations by {}", p.name, p.weight_bits, p.activation_bits,
                            p.per_channel ? "per channel" : "per tensor", p.bias_bits, config.method_of_activations());
  if (!config.optimizations.empty()) text += format("; {}", join(config.optimizations, ", "));
  return text;
}

const ComparedRecipe& best_of(const CompareResult& result) {
  return *std::min_element(result.recipes.begin(), result.recipes.end(), [](const auto& a, const auto& b) { return a.drop < b.drop; });
}

std::string interval_text(const ComparedRecipe& row) {
  return row.interval ? format(" (95 %: {:.2f} to {:.2f})", points(row.interval->low), points(row.interval->high)) : std::string();
}

// Good: not to be told from FP32 by these images, or within the gate. Bad: a twentieth of the metric is gone.
std::string tone_of(const CompareConfig& config, const CompareResult& result, const ComparedRecipe& row) {
  const bool noise = row.interval && row.interval->low <= 0.0;
  if (noise || row.drop <= 0.0 || (config.max_drop && points(row.drop) <= *config.max_drop)) return "good";
  return row.drop > 0.05 * result.metrics.front().value ? "bad" : "warn";
}

Json recipe_card(const CompareConfig& config, const CompareResult& result, const std::string& what, const ComparedRecipe& row) {
  const std::string beside = row.drop < 0.0 ? format("{:.2f} points above FP32", -points(row.drop)) : format("{:.2f} points below FP32", points(row.drop));
  return card(row.label + what, format("{:.2f}", points(row.metrics.front().value)), beside + interval_text(row), tone_of(config, result, row));
}

// As people write it.
std::string headline_name(const CompareResult& result) {
  const std::string& name = result.metrics.front().name;
  return name == "top1" ? "top-1" : name;
}

Json cards(const CompareConfig& config, const CompareResult& result) {
  const std::string headline = headline_name(result);
  const ComparedRecipe& best = best_of(result);
  Json list = Json::array();
  list.push_back(card(format("{} in FP32", headline), format("{:.2f}", points(result.metrics.front().value)), format("on {} images", result.images)));
  if (&best != &result.recipes.front()) list.push_back(recipe_card(config, result, "", result.recipes.front()));
  list.push_back(recipe_card(config, result, result.recipes.size() > 1 ? " (best)" : "", best));
  if (best.agreement) list.push_back(card("Agreement", format("{:.1f} %", points(*best.agreement)), format("images where {} answers as FP32 does", best.label)));
  list.push_back(card("Size", format("{:.2f} MB", static_cast<double>(best.dlc_bytes) / 1e6),
                      format("DLC of {}; the model has {:.2f} MB", best.label, static_cast<double>(result.model_bytes) / 1e6)));
  if (config.max_drop) {
    list.push_back(card("Gate", result.gate_failure ? "fails" : "passes",
                        result.gate_failure ? *result.gate_failure : format("at most {:.2f} points of {} may be lost", *config.max_drop, headline),
                        result.gate_failure ? "bad" : "good"));
  }
  list.push_back(card("Calibrated on", format("{} samples", result.calibration_samples), "the same for every recipe"));
  list.push_back(card("Time", format("{:.0f} s", result.seconds), format("FP32 and {} recipe{}, quantized and measured", result.recipes.size(), result.recipes.size() == 1 ? "" : "s")));
  return list;
}

// The block that fares worst; boxes and scores count apart.
std::optional<double> worst_sqnr(const ComparedRecipe& row) {
  std::optional<double> worst;
  for (const BlockSqnr& block : row.blocks) {
    if (std::isfinite(block.sqnr_db) && (!worst || block.sqnr_db < *worst)) worst = block.sqnr_db;
  }
  return worst;
}

Json compared_row(const CompareConfig& config, const ComparedRecipe& row, const std::string& summary) {
  Json json = {{"name", row.label}, {"note", summary}, {"metric", rounded(points(row.metrics.front().value))}, {"drop", rounded(points(row.drop))},
               {"size_bytes", row.dlc_bytes}, {"seconds", rounded(row.quantize_seconds)}, {"evaluate_seconds", rounded(row.evaluate_seconds)}};
  if (row.interval) {
    json["drop_low"] = rounded(points(row.interval->low));
    json["drop_high"] = rounded(points(row.interval->high));
  }
  if (row.gain) {
    json["gain"] = rounded(points(*row.gain));
    json["gain_over"] = row.builds_on;
  }
  if (const auto worst = worst_sqnr(row)) json["sqnr_db"] = shortened(*worst);
  for (const BlockSqnr& block : row.blocks) {
    if (row.blocks.size() > 1) json["blocks"][block.name] = shortened(block.sqnr_db);
  }
  if (row.agreement) json["agreement"] = rounded(points(*row.agreement));
  const bool gated = config.gate.empty() || std::find(config.gate.begin(), config.gate.end(), row.label) != config.gate.end();
  if (config.max_drop && gated) json["passes"] = points(row.drop) <= *config.max_drop;
  return json;
}

Json compare_part(const CompareConfig& config, const CompareResult& result, const std::map<std::string, std::string>& summaries) {
  Json part = {{"metric", {{"name", headline_name(result)}, {"unit", "%"}}}, {"images", result.images}, {"reference", "FP32"}, {"rows", Json::array()},
               {"sqnr_images", result.sqnr_images}};
  if (config.resamples > 0) part["confidence"] = 0.95;
  if (config.max_drop) part["max_drop"] = *config.max_drop;
  part["rows"].push_back({{"name", "FP32"}, {"metric", rounded(points(result.metrics.front().value))}, {"size_bytes", result.model_bytes},
                          {"evaluate_seconds", rounded(result.fp32_seconds)}, {"note", "the model as given"}});
  for (const ComparedRecipe& row : result.recipes) part["rows"].push_back(compared_row(config, row, summaries.at(row.label)));
  return part;
}

Json run_part(const CompareConfig& config, const CompareResult& result, const std::string& model_sha256, const CalibrationData& data) {
  Json run = {{"model", {{"file", result.model}, {"sha256", model_sha256}}}, {"calibration", {{"samples", result.calibration_samples}, {"sha256", data.sha256}}},
              {"images", result.images}, {"resamples", config.resamples}, {"recipes", Json::array()}};
  if (!data.preprocessing_json.empty()) run["preprocessing"] = Json::parse(data.preprocessing_json);
  for (const ComparedRecipe& row : result.recipes) run["recipes"].push_back(Json::parse(recipe_json(row.recipe)));
  return run;
}

// Recipes whose ranges differ a little are warned in the same words; the numbers of the first stand for all.
std::string without_numbers(std::string text) {
  std::erase_if(text, [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-'; });
  return text;
}

}  // namespace

ComparisonPage::ComparisonPage(const CompareConfig& config, const LoadedModel& model, const eval::Labels& labels,
                               const eval::EvaluationOptions& evaluation)
    : config_(config), sha256_(model.sha256), class_names_(class_names(labels, evaluation.categories, config.class_names)),
      weights_before_(weight_channel_ranges(model.state.graph)),
      images_(model.state.graph, labelled_samples(labels, kImagesShown, class_names_),
              {.preprocessing = evaluation.preprocessing, .task = eval::task_of(labels), .decoder = evaluation.decoder,
               .class_offset = evaluation.class_offset, .class_names = class_names_}, evaluation.threads) {
  images_.add("FP32", exec::Executor(model.state.graph, {}));
}

void ComparisonPage::add(const std::string& label, const QuantizeConfig& recipe, const QuantizedModel& quantized) {
  summaries_[label] = in_words(recipe, quantized.profile);
  const model::ModelState& state = quantized.model.state;
  const Statistics& statistics = quantized.optimized.calibration.statistics;
  for (Json stage : stages_part(quantized.optimized.rows)) {
    stage["recipe"] = label;
    stages_.push_back(std::move(stage));
  }
  tensors_.add(label, tensors_part(state, statistics));
  findings_.add(label, find_worst_layers(state, statistics));
  equalization_.add(label, equalization_part(weights_before_, weight_channel_ranges(state.graph), kEqualizedShown));
  images_.add(label, exec::Executor(state.graph, {.encodings = &state.encodings}));
  for (const std::string& text : quantized.warnings) {
    auto same = std::ranges::find_if(warnings_, [&](const auto& said) { return without_numbers(said.first) == without_numbers(text); });
    if (same == warnings_.end()) same = warnings_.insert(warnings_.end(), {text, {}});
    same->second.push_back(label);
  }
}

Json ComparisonPage::warnings() const {
  Json list = Json::array();
  for (const auto& [text, recipes] : warnings_) list.push_back(format("{}: {}", join(recipes, ", "), text));
  return list;
}

std::string ComparisonPage::render(const CompareResult& result, const CalibrationData& data, Reporter& reporter) const {
  Json document = start_document("compare", config_.base.model.path,
                                 format("{} recipe{} beside FP32, measured on {} images", result.recipes.size(), result.recipes.size() == 1 ? "" : "s", result.images));
  document["cards"] = cards(config_, result);
  document["warnings"] = warnings();
  document["compare"] = compare_part(config_, result, summaries_);
  document["stages"] = stages_;
  document["worst_layers"] = findings_.part(kWorstShown);
  document["tensors"] = tensors_.part();
  document["equalization"] = equalization_.part();
  document["images"] = images_.part();
  document["classes"] = class_names_;
  document["run"] = run_part(config_, result, sha256_, data);
  return render_page(document, reporter);
}

}  // namespace qtool::pipeline
