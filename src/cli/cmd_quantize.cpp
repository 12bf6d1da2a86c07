#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "memory.h"
#include "preprocessing_flags.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

using pipeline::QuantizeConfig;

struct Options {
  QuantizeConfig config;
  PreprocessingFlags preprocessing;
  std::string emit, timings, optimizations, adaround_method = "descent";
  std::vector<double> beta_range;
  int bias = 0, act = 0, weights = 0;
};

void print_text(const QuantizeConfig& config, const pipeline::QuantizeSummary& s) {
  std::printf("%s", format("calibrated on {} samples: {} activation and {} parameter encodings, weights at {:.1f} dB\n", s.samples,
                           s.activation_encodings, s.parameter_encodings, s.weight_sqnr_db).c_str());
  for (const std::string& name : s.files) std::printf("wrote %s\n", (config.output / name).string().c_str());
  std::printf("%s", format("{:.2f} s (load {:.2f}, calibrate {:.2f}, export {:.2f}), peak memory {:.0f} MB\n", s.seconds.at("total"),
                           s.seconds.at("load"), s.seconds.at("calibrate"), s.seconds.at("export"), peak_memory_mb()).c_str());
}

nlohmann::ordered_json summary_json(const pipeline::QuantizeSummary& s) {
  return {{"samples", s.samples}, {"activation_encodings", s.activation_encodings}, {"parameter_encodings", s.parameter_encodings},
          {"weights_sqnr_db", s.weight_sqnr_db}, {"preprocessing", s.preprocessing}, {"files", s.files},
          {"skipped", s.skipped_samples}, {"advice", s.advice}, {"seconds", s.seconds}, {"peak_memory_mb", peak_memory_mb()}};
}

}  // namespace

Action add_quantize(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  QuantizeConfig& c = o.config;
  app.add_option("model", c.model.path, "FP32 ONNX model")->required();
  app.add_option("-o,--output", c.output, "output folder")->required();
  add_input_shape(app, c.model.input_shapes);
  app.add_option("--calib,--input_list", c.data.calib, "folder of images, list file, .npy/.npz/.raw tensors")->required()->group("Data");
  app.add_option("--preprocess", c.data.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  app.add_option("--limit", c.data.limit, "use the first N samples (default: all)")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group("Data");
  app.add_flag("--skip-bad-images", c.data.skip_bad_images, "count unreadable images instead of failing")->group("Data");
  add_preprocessing(app, o.preprocessing);
  const char* group = "Quantization";
  app.add_option("--profile", c.profile, "target profile: dsp (default), htp, or a JSON file")->group(group);
  app.add_option("--bias_bitwidth", o.bias, "8 or 32")->group(group);
  app.add_option("--act_bitwidth", o.act, "8 or 16")->group(group);
  app.add_option("--weights_bitwidth", o.weights, "4, 8 or 16")->group(group);
  app.add_flag("--use_per_channel_quantization", c.per_channel, "symmetric per-channel convolution weights")->group(group);
  app.add_flag("--use_symmetric_quantize_weights", c.symmetric_weights, "symmetric weights")->group(group);
  app.add_option("--act_quantizer_calibration,--act_quantizer", c.activation_method, "calibration method of activations")->group(group);
  app.add_option("--param_quantizer_calibration,--param_quantizer", c.weight_method, "calibration method of weights")->group(group);
  app.add_option("--percentile_calibration_value", c.percentile, "share kept by the percentile method, 90 to 100 (99.99)")->group(group);
  app.add_option("--float", c.keep_float, "leave operators in float: glob on node or tensor names, or operator type (repeatable)")->group(group)->allow_extra_args(false);
  app.add_option("--optimizations", o.optimizations, "comma list: adaround")->group(group);
  app.add_option("--adaround-method", o.adaround_method, "descent (default), classic, nearest")->group(group);
  app.add_option("--adaround-iterations", c.adaround.classic.iterations, "classic: iterations a layer")->group(group);
  app.add_option("--adaround-lambda", c.adaround.classic.regularization, "classic: weight of the rounding loss (0.01)")->group(group);
  app.add_option("--adaround-beta-range", o.beta_range, "classic: start and end of the annealing exponent (20 2)")->expected(2)->group(group);
  app.add_option("--adaround-warm-start", c.adaround.classic.warm_start, "classic: share of iterations without rounding loss (0.2)")->group(group);
  app.add_option("--adaround-learning-rate", c.adaround.classic.learning_rate, "classic: of Adam (0.001)")->group(group);
  app.add_option("--adaround-batch", c.adaround.classic.batch_rows, "classic: sampled output pixels an iteration (1024)")->group(group);
  app.add_flag("--resume", c.adaround.resume, "go on with the layers that an interrupted run has finished")->group(group);
  app.add_option("--seed", c.adaround.seed, "seed of sampled rows (0)")->group(group);
  app.add_option("--export-onnx", c.export_onnx, "write the FP32 model with adapted weights and biases")->group("Output");
  app.add_option("--emit", o.emit, "comma list of encodings, dlc")->group("Output");
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
    if (app.count("--bias_bitwidth") > 0) c.bias_bitwidth = o.bias;
    if (app.count("--act_bitwidth") > 0) c.act_bitwidth = o.act;
    if (app.count("--weights_bitwidth") > 0) c.weights_bitwidth = o.weights;
    if (!o.optimizations.empty()) c.optimizations = CLI::detail::split(o.optimizations, ',');
    if (o.beta_range.size() == 2) {
      c.adaround.classic.beta_start = o.beta_range[0];
      c.adaround.classic.beta_end = o.beta_range[1];
    }
    c.adaround.method = rounding::method_from_name(o.adaround_method);
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
