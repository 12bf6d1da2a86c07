#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "memory.h"
#include "preprocessing_flags.h"
#include "qtool/pipeline/evaluate_model.h"
#include "qtool/support/format.h"

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
    std::string task = "auto";
    bool single_label = false;
  };
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::EvaluateConfig& c = o.config;
  app.add_option("model", c.model.path, "ONNX model")->required();
  app.add_option("--images", c.images, "folder of images")->required()->group("Data");
  app.add_option("--labels", c.labels, "COCO JSON, `file class` list, class folders, YOLO or mask folder")->group("Data");
  app.add_option("--encodings", c.encodings, "encodings JSON: simulate instead of float")->group("Data");
  app.add_option("--reference", c.reference, "without --labels: the float model to compare with (default: the model itself in float)")->group("Data");
  app.add_option("--limit", c.limit, "use N images only")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group("Data");
  app.add_option("--task", o.task, "classify, detect, segment or auto")->group("Task");
  app.add_option("--class-offset", c.class_offset, "subtracted from the model's class index")->group("Task");
  app.add_option("--decoder", c.decoder, "detection decoder (default: recognised)")->group("Detection");
  app.add_option("--conf", c.thresholds.confidence, "smallest score (0.001)")->group("Detection");
  app.add_option("--iou", c.thresholds.nms_iou, "overlap for suppression (0.7)")->group("Detection");
  app.add_option("--max-det", c.thresholds.max_detections, "boxes an image (300)")->group("Detection");
  app.add_option("--categories", c.categories, "category id of each class, comma separated")->delimiter(',')->group("Detection");
  app.add_flag("--single-label", o.single_label, "a box counts for its best class only")->group("Detection");
  add_input_shape(app, c.model.input_shapes);
  app.add_option("--preprocess", c.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  add_preprocessing(app, o.preprocessing);
  return [options, &common](Reporter& reporter) {
    pipeline::EvaluateConfig& c = options->config;
    c.threads = common.resolved_threads();
    c.task = eval::parse_task(options->task);
    c.preprocessing = options->preprocessing.request();
    c.thresholds.multi_label = !options->single_label;
    const pipeline::EvaluateSummary summary = pipeline::evaluate_model(c, reporter);
    if (common.json) std::printf("%s\n", to_json(summary).dump(2).c_str());
    else print_text(summary);
    return 0;
  };
}

}  // namespace qtool::cli
