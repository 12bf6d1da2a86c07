#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "evaluation_flags.h"
#include "preprocessing_flags.h"
#include "qtool/pipeline/evaluate_model.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// Shares are told in percent, as the tables of this field are.
double percent(double share) { return share < 0 ? share : 100.0 * share; }

Json to_json(const pipeline::EvaluateSummary& s) {
  Json json;
  if (s.metrics) {
    json["task"] = eval::task_name(s.metrics->task);
    json["images"] = s.metrics->images;
    for (const eval::Metric& metric : s.metrics->metrics) json["metrics"][metric.name] = percent(metric.value);
    if (!s.metrics->decoder.empty()) json["decoder"] = s.metrics->decoder;
  }
  if (s.comparison) {
    json["images"] = s.comparison->samples;
    for (const eval::OutputComparison& output : s.comparison->outputs) {
      Json row = {{"sqnr_db", number(output.sums.sqnr_db())}, {"cosine", number(output.sums.cosine())},
                  {"worst_sqnr_db", number(output.worst_sqnr_db)}, {"worst_sample", output.worst_sample}};
      if (output.top1_agreement) row["top1_agreement"] = percent(*output.top1_agreement);
      json["outputs"][output.name] = std::move(row);
    }
  }
  json["preprocessing"] = s.preprocessing;
  json["seconds"] = s.seconds;
  json["peak_memory_mb"] = peak_memory_mb();
  return json;
}

void print_text(const pipeline::EvaluateSummary& s) {
  if (s.metrics) {
    std::printf("%s", format("{} on {} images\n", eval::task_name(s.metrics->task), s.metrics->images).c_str());
    for (const eval::Metric& metric : s.metrics->metrics) {
      std::printf("%s", format("  {:<16} {:6.2f}\n", metric.name, percent(metric.value)).c_str());
    }
  }
  if (s.comparison) {
    std::printf("%s", format("simulation against float on {} images\n", s.comparison->samples).c_str());
    for (const eval::OutputComparison& output : s.comparison->outputs) {
      std::printf("%s", format("  {:<24} SQNR {:6.2f} dB, cosine {:.6f}{}\n", output.name, output.sums.sqnr_db(), output.sums.cosine(),
                               output.top1_agreement ? format(", top-1 agreement {:.1f} %", percent(*output.top1_agreement)) : "").c_str());
    }
  }
}

}  // namespace

Action add_evaluate(CLI::App& app, const CommonOptions& common) {
  struct Options {
    pipeline::EvaluateConfig config;
    PreprocessingFlags preprocessing;
    EvaluationFlags evaluation;
  };
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::EvaluateConfig& c = o.config;
  app.add_option("model", c.model.path, "ONNX model")->required();
  app.add_option("--encodings", c.encodings, "encodings JSON: simulate instead of float")->group("Data");
  app.add_option("--reference", c.reference, "without labels: ONNX model to compare with, for example the one before --optimizations")->group("Data");
  add_evaluation(app, o.evaluation, c);
  add_input_shape(app, c.model.input_shapes);
  add_split_output(app, c.model.split_outputs);
  add_unroll_recurrent(app, c.model.unroll_recurrent);
  app.add_option("--preprocess", c.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  add_preprocessing(app, o.preprocessing);
  return [options, &common](Reporter& reporter) {
    pipeline::EvaluateConfig& c = options->config;
    c.threads = common.resolved_threads();
    settle_evaluation(options->evaluation, c);
    c.preprocessing = options->preprocessing.request();
    const pipeline::EvaluateSummary summary = pipeline::evaluate_model(c, reporter);
    if (common.json) std::printf("%s\n", to_json(summary).dump(2).c_str());
    else print_text(summary);
    return 0;
  };
}

}  // namespace qtool::cli
