#include <cmath>
#include <nlohmann/json.hpp>

#include "json_number.h"
#include "qtool/pipeline/compare_recipes.h"
#include "qtool/pipeline/stage_json.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;

double points(double share) { return 100.0 * share; }

std::string worst_sqnr(const ComparedRecipe& row) {
  double worst = std::numeric_limits<double>::infinity();
  for (const BlockSqnr& block : row.blocks) worst = std::min(worst, block.sqnr_db);
  return std::isfinite(worst) ? format("{:.1f}", worst) : "-";
}

Json metrics_json(const std::vector<eval::Metric>& metrics) {
  Json json = Json::object();
  for (const eval::Metric& metric : metrics) json[metric.name] = metric.value < 0 ? metric.value : points(metric.value);
  return json;
}

Json recipe_row(const ComparedRecipe& row) {
  Json json{{"recipe", row.label}, {"metrics", metrics_json(row.metrics)}, {"drop", points(row.drop)}};
  if (row.interval) json["drop_interval_95"] = {points(row.interval->low), points(row.interval->high)};
  for (const BlockSqnr& block : row.blocks) {
    json["outputs"][block.name] = {{"sqnr_db", finite_or_null(block.sqnr_db)}, {"cosine", finite_or_null(block.cosine)}};
  }
  if (row.agreement) json["top1_agreement"] = points(*row.agreement);
  if (row.gain) json["gain"] = {{"over", row.builds_on}, {"points", points(*row.gain)}};
  json["dlc_bytes"] = row.dlc_bytes;
  json["quantize_seconds"] = row.quantize_seconds;
  json["evaluate_seconds"] = row.evaluate_seconds;
  json["stages"] = Json::array();
  for (const optimize::StageRow& stage : row.stages) json["stages"].push_back(stage_json(stage));
  json["warnings"] = row.warnings;
  json["resolved"] = Json::parse(recipe_json(row.recipe));
  return json;
}

std::string markdown_row(const ComparedRecipe& row) {
  const std::string interval = row.interval ? format("{:.2f} .. {:.2f}", points(row.interval->low), points(row.interval->high)) : "-";
  const std::string gain = row.gain ? format("{:+.2f} over {}", points(*row.gain), row.builds_on) : "-";
  return format("| {} | {:.2f} | {:.2f} | {} | {} | {} | {} | {:.2f} | {:.1f} | {:.1f} |\n", row.label, points(row.metrics.front().value),
                points(row.drop), interval, gain, worst_sqnr(row), row.agreement ? format("{:.1f}", points(*row.agreement)) : "-",
                static_cast<double>(row.dlc_bytes) / 1e6, row.quantize_seconds, row.evaluate_seconds);
}

}  // namespace

std::string comparison_markdown(const CompareResult& result) {
  const eval::Metric& headline = result.metrics.front();
  std::string text = format("{}: {} on {} images, calibrated on {}; SQNR of the worst output block over {} images\n\n", result.model,
                            headline.name, result.images, result.calibration_samples, result.sqnr_images);
  text += format("| recipe | {} | drop | drop, 95 % | gain | SQNR dB | agree % | MB | quantize s | evaluate s |\n"
                 "|---|---|---|---|---|---|---|---|---|---|\n", headline.name);
  text += format("| FP32 | {:.2f} | | | | | | {:.2f} | | {:.1f} |\n", points(headline.value),
                 static_cast<double>(result.model_bytes) / 1e6, result.fp32_seconds);
  for (const ComparedRecipe& row : result.recipes) text += markdown_row(row);
  return text;
}

std::string comparison_json(const CompareResult& result) {
  Json json{{"schema_version", 1}, {"model", result.model}, {"task", eval::task_name(result.task)}, {"images", result.images},
            {"calibration_samples", result.calibration_samples}, {"sqnr_images", result.sqnr_images}};
  json["fp32"] = {{"metrics", metrics_json(result.metrics)}, {"model_bytes", result.model_bytes}, {"evaluate_seconds", result.fp32_seconds}};
  json["recipes"] = Json::array();
  for (const ComparedRecipe& row : result.recipes) json["recipes"].push_back(recipe_row(row));
  json["gate"] = {{"passed", !result.gate_failure}};
  if (result.gate_failure) json["gate"]["reason"] = *result.gate_failure;
  json["seconds"] = result.seconds;
  return json.dump(2) + "\n";
}

}  // namespace qtool::pipeline
