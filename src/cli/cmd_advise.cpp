#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "measured_flags.h"
#include "qtool/pipeline/advise.h"
#include "qtool/support/duration.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;
using pipeline::AdvisedStep;
using pipeline::AdviseResult;

struct Options {
  pipeline::AdviseConfig config;
  MeasuredFlags measured;
};

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json step_json(const AdvisedStep& step) {
  Json json{{"precision", step.precision}, {"available", step.available}, {"note", step.note}};
  if (!step.available) return json;
  json["score_db"] = or_null(step.noise_db);
  for (const auto& [name, db] : step.blocks) json["outputs"][name] = db;
  json["agreement"] = or_null(step.agreement);
  json["expected_drop"] = step.expected_drop;
  json["metric"] = or_null(step.metric);
  json["drop"] = or_null(step.drop);
  json["relative_cost"] = step.cost;
  json["passes"] = step.passes;
  return json;
}

Json to_json(const AdviseResult& result) {
  Json steps = Json::array();
  for (const AdvisedStep& step : result.steps) steps.push_back(step_json(step));
  return {{"model", result.model}, {"profile", result.profile}, {"threshold", result.threshold}, {"metric", result.metric},
          {"float_metric", or_null(result.float_metric)}, {"samples", result.samples}, {"detector", result.detector},
          {"steps", std::move(steps)}, {"first_failing", result.first_failing.empty() ? Json(nullptr) : Json(result.first_failing)},
          {"causes", result.causes}, {"remedy", result.remedy ? step_json(*result.remedy) : Json(nullptr)},
          {"commands", result.commands}, {"verdict", result.verdict}, {"seconds", result.seconds}, {"peak_memory_mb", peak_memory_mb()}};
}

void print_step(const AdvisedStep& step) {
  if (!step.available) {
    std::printf("%s", format("{:<18} not available: {}\n", step.precision, step.note).c_str());
    return;
  }
  std::string line = format("{:<18} {:>8.2f} {:>9.2f}", step.precision, *step.noise_db, step.expected_drop);
  line += step.metric ? format(" {:>8.2f} {:>7.2f}", 100.0 * *step.metric, *step.drop) : format(" {:>8} {:>7}", "-", "-");
  line += format(" {:>6.2f}  {:<6}", step.cost, step.passes ? "yes" : "no");
  if (step.agreement) line += format("  top-1 agreement {:.1f} %", 100.0 * *step.agreement);
  if (step.blocks.size() > 1) {
    for (const auto& [name, db] : step.blocks) line += format("  {} {:.1f} dB", name, db);
  }
  if (!step.note.empty()) line += "  " + step.note;
  std::printf("%s\n", line.c_str());
}

void print_text(const AdviseResult& result) {
  const std::string metric = result.metric.empty() ? "metric" : result.metric;
  std::printf("%s", format("profile {}, {} samples kept aside{}\n\n", result.profile, result.samples,
                           result.float_metric ? format(", FP32 {} {:.2f}", metric, 100.0 * *result.float_metric) : std::string()).c_str());
  std::printf("%s", format("{:<18} {:>8} {:>9} {:>8} {:>7} {:>6}  within {} points\n", "precision", "noise dB", "expected", metric, "drop", "cost",
                           result.threshold).c_str());
  for (const AdvisedStep& step : result.steps) print_step(step);
  if (result.remedy) print_step(*result.remedy);
  std::printf("\n%s\n", result.verdict.c_str());
  if (!result.causes.empty()) std::printf("\nwhy %s fails:\n", result.first_failing.c_str());
  for (const std::string& cause : result.causes) std::printf("  - %s\n", cause.c_str());
  std::printf("\nnext, with the preprocessing options of this run:\n");
  for (const std::string& command : result.commands) std::printf("  %s\n", command.c_str());
  std::printf("%s", format("\n{}, peak memory {:.0f} MB\n", duration_text(result.seconds), peak_memory_mb()).c_str());
}

}  // namespace

Action add_advise(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::AdviseConfig& c = o.config;
  add_calibrated_model(app, c.quantize);
  app.add_option("--threshold", c.threshold, "points that a precision may lose (1): measured with --labels, else estimated")->group("Advice");
  add_measured(app, o.measured, c.quantize, c.evaluation);
  app.get_option("--images")->required(false);
  app.footer(
      "Examples:\n"
      "  qtool advise model.onnx --calib imgs/ --profile htp\n"
      "  qtool advise y.onnx --calib imgs/ --preset yolo --profile htp --images val/ --labels instances.json --threshold 0.5");
  return [options, &app, &common](Reporter& reporter) {
    Options& o = *options;
    settle_measured(app, common, o.measured, o.config.quantize, o.config.evaluation);
    const AdviseResult result = pipeline::advise(o.config, reporter);
    if (common.json) std::printf("%s\n", to_json(result).dump(2).c_str());
    else if (!common.quiet) print_text(result);
    return 0;
  };
}

}  // namespace qtool::cli
