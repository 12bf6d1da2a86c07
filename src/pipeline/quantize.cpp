#include "qtool/pipeline/quantize.h"

#include <algorithm>
#include <chrono>

#include "calibration_data.h"
#include "dead_outputs.h"
#include "normalization_check.h"
#include "qtool/calib/calibrator.h"
#include "qtool/calib/registry.h"
#include "qtool/exporters/float_onnx.h"
#include "qtool/exporters/registry.h"
#include "qtool/onnxio/quantized_kind.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "report.h"

namespace qtool::pipeline {

namespace {

class StageClock {
 public:
  void mark(const std::string& stage) {
    const auto now = std::chrono::steady_clock::now();
    seconds[stage] = std::chrono::duration<double>(now - last_).count();
    seconds["total"] = std::chrono::duration<double>(now - start_).count();
    last_ = now;
  }
  std::map<std::string, double> seconds;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_ = start_;
};

model::TargetProfile resolved_profile(const QuantizeConfig& config) {
  model::TargetProfile profile = load_profile(config.profile);
  if (config.bias_bitwidth) profile.bias_bits = *config.bias_bitwidth;
  if (config.act_bitwidth) profile.activation_bits = *config.act_bitwidth;
  if (config.weights_bitwidth) profile.weight_bits = *config.weights_bitwidth;
  if (config.symmetric_weights) profile.weight_symmetric = true;
  if (config.per_channel) {
    profile.per_channel = true;
    profile.weight_symmetric = true;  // backends take per-channel weights symmetric only
  }
  // An 8-bit bias needs per-tensor weights and 8-bit activations; the backend misreads or refuses anything else.
  if (profile.bias_bits == 8 && (profile.per_channel || profile.activation_bits > 8) && !config.bias_bitwidth) {
    profile.bias_bits = 32;
  }
  if (profile.bias_bits == 8 && (profile.per_channel || profile.activation_bits > 8)) {
    throw Error(ErrorCode::kUsage,
                format("--bias_bitwidth 8 does not go with {}: the backend takes an 8-bit bias only beside per-tensor weights "
                       "and 8-bit activations; use --bias_bitwidth 32",
                       profile.per_channel ? "per-channel weights" : "16-bit activations"));
  }
  return profile;
}

void refuse_quantized_model(const LoadedModel& model, const std::filesystem::path& path) {
  if (const auto kind = onnxio::quantized_kind(model.state.graph)) {
    throw Error(ErrorCode::kInvalidModel,
                format("the model is quantized already: {}; give the FP32 model it was made from, or look at this one with "
                       "`qtool inspect` and run it with `qtool run`", *kind))
        .with("file", path.string());
  }
}

std::vector<std::string> advice_for(const model::TargetProfile& profile, const model::ModelState& state) {
  std::vector<std::string> changes;
  size_t weights = 0, biases = 0;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role == model::TensorRole::kWeight) ++weights;
    if (plan.role == model::TensorRole::kBias) ++biases;
  }
  if (!profile.per_channel) changes.push_back(format("per-channel scales for {} weight tensors", weights));
  if (profile.bias_bits < 32 && biases > 0) changes.push_back(format("int32 instead of 8-bit for {} biases", biases));
  if (changes.empty()) return {};
  return {format("recommended (--profile htp --bias_bitwidth 32) would change: {}", join(changes, ", "))};
}

void say_notes(const passes::EncodingNotes& notes, std::vector<std::string>& warnings) {
  const auto add = [&](const std::vector<std::string>& list, std::string_view what) {
    if (!list.empty()) warnings.push_back(format("{} {}, first: {}", list.size(), what, list.front()));
  };
  add(notes.no_statistics, "planned tensors were never seen on calibration data and have no encoding");
  add(notes.non_finite, "tensors held NaN or infinity on calibration data; those values were left out");
  add(notes.bias_overflow, "biases did not fit int32; the weight scale was enlarged");
}

}  // namespace

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
  if (!problems.empty()) throw Error(ErrorCode::kUsage, format("{}", join(problems, "; ")));
}

QuantizeSummary quantize(const QuantizeConfig& config, Reporter& reporter) {
  config.validate();
  const calib::Method& activation_method = calib::builtin_registry().at(config.activation_method);
  const calib::Method& weight_method = calib::builtin_registry().at(config.weight_method);
  const model::TargetProfile profile = resolved_profile(config);
  StageClock clock;

  LoadedModel model = load_model(config.model, reporter);
  refuse_quantized_model(model, config.model.path);
  const CalibrationData data = open_calibration_data(config.data, model.state.graph, config.threads, reporter);
  OutputSet outputs(config.output);  // an output folder that cannot be written fails before the long work
  clock.mark("load");

  passes::plan_quantization(model.state, profile, ops::builtin_registry(), {.keep_float = config.keep_float});
  const calib::CalibrationResult calibration =
      calib::calibrate(model.state.graph, passes::observed_values(model.state), *data.source,
                       {.threads = config.threads, .histograms = activation_method.needs_histogram}, reporter);
  clock.mark("calibrate");

  const passes::EncodingNotes notes = passes::compute_encodings(model.state, calibration.statistics, activation_method, weight_method, {.percentile = config.percentile});
  if (!config.optimizations.empty()) {
    rounding::AdaroundOptions adaround = config.adaround;
    adaround.threads = config.threads;
    adaround.checkpoint = config.output / "adaround.checkpoint";
    adaround.checkpoint_key = format("{} {} {}", tool_version(), model.sha256, data.sha256);
    (void)rounding::adaround(model.state, *data.source, adaround, reporter);
    clock.mark("adaround");
  }
  std::vector<std::string> warnings;
  say_notes(notes, warnings);
  const auto outside = layers_outside_batch_norm(model.state, calibration.statistics);
  const size_t compared = comparable_layers(model.state, calibration.statistics);
  if (!outside.empty() && outside.size() * 4 >= compared) {
    warnings.push_back(format("activations lie far outside what the batch-norm statistics expect in {} of {} layers (first: {}): "
                              "is the preprocessing right? It was: {}", outside.size(), compared, outside.front(),
                              data.preprocessing_line.empty() ? "tensor files" : data.preprocessing_line));
  }
  for (const std::string& warning : dead_output_warnings(model.state, *data.source)) warnings.push_back(warning);
  for (const std::string& warning : warnings) reporter.warning(warning);
  const std::vector<std::string> advice = advice_for(profile, model.state);
  for (const std::string& line : advice) reporter.info(line);
  clock.mark("encodings");

  QuantizeSummary summary;
  const std::string stem = config.model.path.stem().string();
  std::vector<std::pair<std::string, size_t>> files;
  const auto emit = [&](const std::string& name, std::span<const std::byte> bytes) {
    outputs.add(name, bytes);
    files.emplace_back(name, bytes.size());
    summary.files.push_back(name);
  };
  const exporters::ExportRequest request{model.state, profile, stem, tool_version(), reporter};
  for (const std::string& name : config.emit) {
    for (const exporters::OutputFile& file : exporters::builtin_registry().at(name).write(request)) emit(file.name, file.content);
  }
  clock.mark("export");
  summary.weight_sqnr_db = total_weight_sqnr(model.state);
  const std::string report = write_report({config, model, profile, data, calibration, notes, warnings, advice,
                                          summary.weight_sqnr_db, files});
  emit("report.json", std::as_bytes(std::span(report)));
  outputs.commit();
  if (!config.export_onnx.empty()) {
    write_file_atomically(config.export_onnx, exporters::write_float_onnx(model.state.graph, {.tool_version = tool_version(), .metadata = {}}));
  }
  clock.mark("write");

  summary.preprocessing = data.preprocessing_line;
  summary.samples = calibration.samples;
  for (const auto& [id, entry] : model.state.encodings) {
    ++(model.state.graph.is_constant(id) ? summary.parameter_encodings : summary.activation_encodings);
  }
  summary.skipped_samples = data.skipped;
  summary.advice = advice;
  summary.seconds = clock.seconds;
  return summary;
}

}  // namespace qtool::pipeline
