#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "measured_flags.h"
#include "qtool/pipeline/analyze.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;
using pipeline::AnalyzeResult;
using pipeline::LayerSensitivity;
using pipeline::NoiseFigure;

struct Options {
  pipeline::AnalyzeConfig config;
  MeasuredFlags measured;
  int64_t shown = 12;
};

Json optional_json(const std::optional<double>& value, double factor = 1.0) { return value ? Json(factor * *value) : Json(nullptr); }

Json noise_json(const NoiseFigure& figure) {
  Json blocks = Json::object();
  for (const auto& block : figure.blocks) blocks[block.name] = optional_json(block.sqnr_db);
  return {{"loss_percent", optional_json(figure.loss, 100.0)}, {"sqnr_db", std::move(blocks)}};
}

Json layer_json(const LayerSensitivity& layer) {
  Json json = {{"layer", layer.name}, {"op", layer.op}, {"tensor", layer.tensor}, {"alone", noise_json(layer.alone)}, {"gain_in_float_db", optional_json(layer.gain_db)}};
  if (layer.metric_alone) json["metric_alone"] = 100.0 * *layer.metric_alone;
  if (layer.metric_without) json["metric_without"] = 100.0 * *layer.metric_without;
  if (!layer.cause.empty()) json.update({{"kind", layer.kind}, {"cause", layer.cause}, {"option", layer.option}});
  return json;
}

Json to_json(const AnalyzeResult& result) {
  Json json = {{"model", result.model}, {"samples", result.samples}, {"detector", result.detector}};
  if (result.float_metric) json["metric"] = {{"name", result.metric}, {"float", 100.0 * *result.float_metric}};
  for (const auto& part : result.parts) {
    Json row = {{"quantized", part.name}, {"noise", noise_json(part.noise)}};
    if (part.metric) row["metric"] = 100.0 * *part.metric;
    json["parts"].push_back(std::move(row));
  }
  for (const LayerSensitivity& layer : result.layers) json["layers"].push_back(layer_json(layer));
  json["warnings"] = result.warnings;
  json["seconds"] = result.seconds;
  json["peak_memory_mb"] = peak_memory_mb();
  return json;
}

std::string blocks_text(const NoiseFigure& figure) {
  std::string text;
  for (const auto& block : figure.blocks) text += block.sqnr_db ? format(" {:>8.1f}", *block.sqnr_db) : format(" {:>8}", "exact");
  return text;
}

std::string loss_text(const NoiseFigure& figure) { return figure.loss ? format("{:>8.2f}", 100.0 * *figure.loss) : format("{:>8}", "dead"); }

std::string metric_text(const std::optional<double>& metric) { return metric ? format(" {:>8.2f}", 100.0 * *metric) : std::string(); }

void print_parts(const AnalyzeResult& result) {
  std::string blocks;
  for (const auto& block : result.parts.front().noise.blocks) blocks += format(" {:>8}", block.name.substr(0, 8));
  std::printf("%s", format("noise of the outputs on {} samples: % of the signal, then dB by block\n", result.samples).c_str());
  std::printf("%s", format("  {:<28} {:>8}{}{}\n", "quantized", "noise %", blocks, result.metric.empty() ? "" : format(" {:>8}", result.metric)).c_str());
  if (result.float_metric) std::printf("%s", format("  {:<28} {:>8}{:>{}}{}\n", "nothing", "0", "", 9 * result.parts.front().noise.blocks.size(), metric_text(result.float_metric)).c_str());
  for (const auto& part : result.parts) {
    std::printf("%s", format("  {:<28} {}{}{}\n", part.name, loss_text(part.noise), blocks_text(part.noise), metric_text(part.metric)).c_str());
  }
}

void print_layers(const AnalyzeResult& result, size_t shown) {
  const bool metric = !result.metric.empty();
  std::printf("%s", format("\n{:>4}  {:>8} {:>9}{} layer\n", "rank", "alone %", "float dB", metric ? format(" {:>8} {:>8}", "alone", "without") : "").c_str());
  for (size_t i = 0; i < std::min(shown, result.layers.size()); ++i) {
    const LayerSensitivity& layer = result.layers[i];
    const std::string gain = layer.gain_db ? format("{:+.2f}", *layer.gain_db) : std::string("-");
    const std::string metrics = !metric ? "" : layer.metric_alone ? metric_text(layer.metric_alone) + metric_text(layer.metric_without) : format(" {:>8} {:>8}", "-", "-");
    std::printf("%s", format("{:>4}  {} {:>9}{} {} {}\n", i + 1, loss_text(layer.alone), gain, metrics, layer.op, layer.name).c_str());
    if (layer.cause.empty()) continue;
    std::printf("%s", format("{:>18}{}: {}\n", "", layer.kind, layer.cause).c_str());
    if (!layer.option.empty()) std::printf("%s", format("{:>18}try {}\n", "", layer.option).c_str());
  }
  if (shown < result.layers.size()) std::printf("%s", format("{:>4}  {} more; --show N, --html or --json has them\n", "", result.layers.size() - shown).c_str());
}

void print_text(const AnalyzeResult& result, const Options& o) {
  print_parts(result);
  print_layers(result, static_cast<size_t>(o.shown));
  if (!o.config.html.empty()) std::printf("wrote %s\n", o.config.html.string().c_str());
  std::printf("%s", format("{:.1f} s, peak memory {:.0f} MB\n", result.seconds, peak_memory_mb()).c_str());
}

}  // namespace

Action add_analyze(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::AnalyzeConfig& c = o.config;
  const CLI::Validator any = CLI::Range(int64_t{0}, int64_t{1} << 40).description("");
  app.add_option("model", c.quantize.model.path, "FP32 ONNX model")->required();
  app.add_option("--calib,--input_list", c.quantize.data.calib, "calibration: folder of images, list file, .npy/.npz/.raw tensors")->required()->group("Data");
  app.add_option("--calib-limit", c.quantize.data.limit, "calibrate on the first N samples")->check(any)->group("Data");
  app.add_flag("--skip-bad-images", c.quantize.data.skip_bad_images, "count unreadable images instead of failing")->group("Data");
  app.add_option("--probe-images", c.probe_samples, "calibration samples that noise is measured on (4)")->check(CLI::Range(int64_t{1}, int64_t{1} << 20).description(""))->group("Analysis");
  app.add_option("--float-layers", c.left_in_float, "worst layers that are also tried in float (16)")->check(any)->group("Analysis");
  app.add_option("--metric-layers", c.metric_layers, "with --labels: worst layers that the metric is measured for (5)")->check(any)->group("Analysis");
  app.add_option("--html", c.html, "report as one HTML file")->group("Output");
  app.add_option("--show", o.shown, "layers in the table on the terminal (12)")->check(any)->group("Output");
  add_measured(app, o.measured, c.quantize, c.evaluation);
  app.get_option("--images")->required(false);  // the metric is on request
  app.footer(
      "Examples:\n"
      "  qtool analyze model.onnx --calib imgs/ --html sensitivity.html\n"
      "  qtool analyze y.onnx --calib imgs/ --preset yolo --profile htp --images val/ --labels instances.json --limit 100 --json");
  return [options, &app, &common](Reporter& reporter) {
    Options& o = *options;
    pipeline::AnalyzeConfig& c = o.config;
    settle_measured(app, common, o.measured, c.quantize, c.evaluation);
    const AnalyzeResult result = pipeline::analyze(c, reporter);
    if (common.json) std::printf("%s\n", to_json(result).dump(2).c_str());
    else if (!common.quiet) print_text(result, o);
    return 0;
  };
}

}  // namespace qtool::cli
