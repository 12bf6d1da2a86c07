#include "qtool/pipeline/quantize.h"

#include "calibration_data.h"
#include "qtool/calib/registry.h"
#include "qtool/exporters/registry.h"
#include "qtool/onnxio/export.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "quantized_model.h"
#include "report.h"

namespace qtool::pipeline {

void QuantizeConfig::validate() const {
  std::vector<std::string> problems;
  if (bias_bitwidth && *bias_bitwidth != 8 && *bias_bitwidth != 32) problems.push_back(format("--bias_bitwidth {}: use 8 or 32", *bias_bitwidth));
  if (act_bitwidth && *act_bitwidth != 8 && *act_bitwidth != 16) problems.push_back(format("--act_bitwidth {}: use 8 or 16", *act_bitwidth));
  if (weights_bitwidth && *weights_bitwidth != 4 && *weights_bitwidth != 8 && *weights_bitwidth != 16) {
    problems.push_back(format("--weights_bitwidth {}: use 4, 8 or 16", *weights_bitwidth));
  }
  for (const std::string& name : emit) (void)exporters::builtin_registry().at(name);
  if (!(percentile >= 90.0 && percentile <= 100.0)) problems.push_back(format("--percentile_calibration_value {}: use 90 to 100", percentile));
  if (threads < 1) problems.push_back("--threads: at least 1");
  (void)parse_accept(accept);
  (void)parse_relu6_policy(relu6);
  (void)rounding::method_from_name(adaround_method);
  if (activation_method == "seqmse") problems.push_back("--act_quantizer_calibration seqmse: SeqMSE is a method for weights, use mse");
  if (adaround.classic.iterations < 0 || adaround.classic.batch_rows < 1) problems.push_back("--adaround-iterations and --adaround-batch: at least 1");
  (void)optimize::builtin_registry().resolve(optimizations);
  if (data_free && !data.calib.empty()) problems.push_back("--data-free goes without --calib");
  if (data_free && calib::builtin_registry().at(activation_method).needs_histogram) {
    problems.push_back(format("--act_quantizer_calibration {} needs samples; with --data-free leave it at min-max", activation_method));
  }
  if (!problems.empty()) throw Error(ErrorCode::kUsage, format("{}", join(problems, "; ")));
}

namespace {

void write_adapted_model(const std::filesystem::path& path, const model::ModelState& state) {
  write_file_atomically(path, onnxio::export_model(state.graph, {.producer_version = tool_version()}));
}

}  // namespace

QuantizeSummary quantize(const QuantizeConfig& config, Reporter& reporter) {
  config.validate();
  if (!config.data_free && config.data.calib.empty()) {
    throw Error(ErrorCode::kUsage, "--calib is missing (or --data-free, to go without samples)");
  }
  // Names of methods and profile are checked before the model is read.
  (void)calib::builtin_registry().at(config.activation_method);
  (void)calib::builtin_registry().at(config.weight_method);
  (void)resolved_profile(config);
  StageClock clock;

  LoadedModel loaded = load_model(config.model, reporter);
  refuse_quantized_model(loaded, config.model.path);
  const CalibrationData data =
      config.data_free ? CalibrationData{} : open_calibration_data(config.data, loaded.state.graph, config.threads, reporter);
  OutputSet outputs(config.output);  // an output folder that cannot be written fails before the long work
  clock.mark("load");
  QuantizeConfig checkpointed = config;
  checkpointed.adaround.checkpoint = config.output / "adaround.checkpoint";
  const QuantizedModel quantized = quantize_in_memory(checkpointed, std::move(loaded), data, clock, reporter);
  const model::ModelState& state = quantized.model.state;

  QuantizeSummary summary;
  const std::string stem = config.model.path.stem().string();
  std::vector<std::pair<std::string, size_t>> files;
  const auto emit = [&](const std::string& name, std::span<const std::byte> bytes) {
    outputs.add(name, bytes);
    files.emplace_back(name, bytes.size());
    summary.files.push_back(name);
  };
  const exporters::ExportRequest request{state, quantized.profile, stem, tool_version(), reporter};
  for (const std::string& name : config.emit) {
    for (const exporters::OutputFile& file : exporters::builtin_registry().at(name).write(request)) emit(file.name, file.content);
  }
  clock.mark("export");
  summary.weight_sqnr_db = total_weight_sqnr(state);
  const std::string report = write_report({config, quantized, data, summary.weight_sqnr_db, files});
  emit("report.json", std::as_bytes(std::span(report)));
  outputs.commit();
  if (!config.export_onnx.empty()) write_adapted_model(config.export_onnx, state);
  clock.mark("write");

  summary.preprocessing = data.preprocessing_line;
  summary.samples = quantized.optimized.calibration.samples;
  for (const auto& [id, entry] : state.encodings) {
    ++(state.graph.is_constant(id) ? summary.parameter_encodings : summary.activation_encodings);
  }
  summary.skipped_samples = data.skipped;
  summary.advice = quantized.advice;
  summary.stages = quantized.optimized.rows;
  summary.held_out = quantized.optimized.held_out;
  summary.seconds = clock.seconds;
  return summary;
}

}  // namespace qtool::pipeline
