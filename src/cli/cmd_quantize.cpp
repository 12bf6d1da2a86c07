#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "preprocessing_flags.h"
#include "quantization_flags.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/pipeline/search_json.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"
#include "search_flags.h"
#include "stage_table.h"

namespace qtool::cli {

namespace {

using pipeline::QuantizeConfig;

struct Options {
  QuantizeConfig config;
  PreprocessingFlags preprocessing;
  QuantizationFlags quantization;
  SearchFlags search;
  std::string emit, timings;
};

void print_methods(const pipeline::QuantizeSummary& s) {
  if (s.methods.empty()) return;
  std::printf("calibration methods, simulated on samples kept aside, SQNR in dB:\n");
  for (const pipeline::MethodOutcome& outcome : s.methods) {
    std::string line = format("  {:<34}{:7.2f}", outcome.method, outcome.combined_db);
    if (outcome.output_sqnr_db.size() > 1) {
      for (const auto& [block, db] : outcome.output_sqnr_db) line += format("   {} {:.2f}", block, db);
    }
    std::printf("%s\n", line.c_str());
  }
}

void print_text(const QuantizeConfig& config, const pipeline::QuantizeSummary& s) {
  std::printf("%s", format("calibrated on {} samples: {} activation and {} parameter encodings, weights at {:.1f} dB\n", s.samples,
                           s.activation_encodings, s.parameter_encodings, s.weight_sqnr_db).c_str());
  if (!s.from_file.empty()) std::printf("%s\n", s.from_file.c_str());
  print_methods(s);
  print_stage_table(s);
  if (s.search) std::printf("%s\n", s.search->verdict.c_str());
  for (const std::string& name : s.files) std::printf("wrote %s\n", (config.output / name).string().c_str());
  if (!config.html.empty()) std::printf("wrote %s\n", config.html.string().c_str());
  std::printf("%s", format("{:.2f} s (load {:.2f}, calibrate {:.2f}, export {:.2f}), peak memory {:.0f} MB\n", s.seconds.at("total"),
                           s.seconds.at("load"), s.seconds.at("calibrate"), s.seconds.at("export"), peak_memory_mb()).c_str());
}

nlohmann::ordered_json search_summary(const pipeline::SearchRecord& record) {
  nlohmann::ordered_json json = pipeline::search_json(record);
  json["seconds"] = record.seconds;
  for (size_t i = 0; i < record.rows.size(); ++i) json["steps"][i]["seconds"] = record.rows[i].seconds;
  return json;
}

nlohmann::ordered_json unrolled_json(const pipeline::QuantizeSummary& s) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const passes::UnrolledNode& node : s.unrolled) {
    list.push_back({{"node", node.node}, {"steps", node.steps}, {"directions", node.directions}, {"operators", node.operators}});
  }
  return list;
}

nlohmann::ordered_json summary_json(const pipeline::QuantizeSummary& s) {
  return {{"search", s.search ? search_summary(*s.search) : nlohmann::ordered_json(nullptr)}, {"unrolled", unrolled_json(s)}, {"samples", s.samples}, {"activation_encodings", s.activation_encodings}, {"parameter_encodings", s.parameter_encodings},
          {"weights_sqnr_db", s.weight_sqnr_db}, {"preprocessing", s.preprocessing}, {"files", s.files},
          {"optimizations", stages_json(s)}, {"overrides", s.from_file},
          {"skipped", s.skipped_samples}, {"advice", s.advice}, {"seconds", s.seconds}, {"peak_memory_mb", peak_memory_mb()}};
}

}  // namespace

Action add_quantize(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  QuantizeConfig& c = o.config;
  c.output.clear();
  app.add_option("model", c.model.path, "FP32 ONNX model")->required();
  app.add_option("-o,--output", c.output, "output folder; not needed with --html");
  add_input_shape(app, c.model.input_shapes);
  add_split_output(app, c.model.split_outputs);
  add_unroll_recurrent(app, c.model.unroll_recurrent);
  app.add_option("--calib,--input_list", c.data.calib, "folder of images, list file, .npy/.npz/.raw tensors")->group("Data");
  app.add_flag("--data-free", c.data_free, "no samples: ranges from batch-norm statistics or synthetic pictures; brings cle and bc along")->group("Data");
  app.add_option("--preprocess", c.data.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  app.add_option("--limit", c.data.limit, "use the first N samples (default: all)")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group("Data");
  app.add_flag("--skip-bad-images", c.data.skip_bad_images, "count unreadable images instead of failing")->group("Data");
  add_preprocessing(app, o.preprocessing);
  add_quantization(app, o.quantization, c);
  add_search(app, o.search, c);
  app.add_option("--export-onnx", c.export_onnx, "write the FP32 model with adapted weights and biases")->group("Output");
  app.add_option("--encodings-version", c.encodings_version, "of the encodings file written: 0.6.1 (default), 1.0.0, 2.0.0, 2.1.0, overrides")->group("Output");
  app.add_option("--html", c.html, "report as one HTML file: ranges, histograms, worst layers, sample images")->group("Output");
  app.add_option("--emit", o.emit, "comma list of encodings, dlc, qdq")->group("Output");
  app.add_option("--timings", o.timings, "write wall times of the stages to this JSON file")->group("Output");
  app.footer(
      "Examples:\n"
      "  qtool quantize model.onnx --calib imgs/ -o out/                                   Qualcomm's vanilla\n"
      "  qtool quantize model.onnx --calib imgs/ --bias_bitwidth 32 --profile htp -o out/\n"
      "  qtool quantize mobilenet_v2.onnx --calib imgs/ --preset imagenet -o out/\n"
      "  qtool quantize y.onnx --calib imgs/ --resize letterbox --pad 114 --color RGB --scale 1/255 -o out/");
  return [options, &app, &common](Reporter& reporter) {
    Options& o = *options;
    QuantizeConfig& c = o.config;
    c.threads = common.resolved_threads();
    c.data.preprocessing = o.preprocessing.request();
    settle_quantization(app, o.quantization, c);
    settle_search(app, o.search, c);
    if (c.data_free && c.optimizations.empty()) c.optimizations = {"cle", "bc"};
    if (!o.emit.empty()) c.emit = CLI::detail::split(o.emit, ',');
    const pipeline::QuantizeSummary summary = pipeline::quantize(c, reporter);
    const std::string json = summary_json(summary).dump(2) + "\n";
    if (!o.timings.empty()) {
      const nlohmann::ordered_json times = {{"seconds", summary.seconds}, {"peak_memory_mb", peak_memory_mb()}};
      const std::string text = times.dump(2) + "\n";
      write_file_atomically(o.timings, std::as_bytes(std::span(text)));
    }
    if (common.json) std::fputs(json.c_str(), stdout);
    else if (!common.quiet) print_text(c, summary);
    return 0;
  };
}

}  // namespace qtool::cli
