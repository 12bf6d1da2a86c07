#include "qtool/pipeline/quantize.h"

#include <algorithm>
#include <optional>

#include "calibration_data.h"
#include "qtool/calib/registry.h"
#include "qtool/exporters/encodings_document.h"
#include "qtool/exporters/float_onnx.h"
#include "qtool/exporters/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "quantize_page.h"
#include "quantized_model.h"
#include "report.h"
#include "search_files.h"
#include "search_options.h"
#include "statistics_source.h"
#include "synthetic_data.h"

namespace qtool::pipeline {

ModelOptions QuantizeConfig::model_options() const {
  ModelOptions options = model;
  options.for_container = std::ranges::count(emit, "dlc") > 0;
  if (!overrides.ignore) options.encodings = overrides.file;
  return options;
}

void QuantizeConfig::validate() const {
  std::vector<std::string> problems;
  (void)parse_unroll_recurrent(model.unroll_recurrent);
  if (bias_bitwidth && *bias_bitwidth != 8 && *bias_bitwidth != 32) problems.push_back(format("--bias_bitwidth {}: use 8 or 32", *bias_bitwidth));
  if (act_bitwidth && *act_bitwidth != 8 && *act_bitwidth != 16) problems.push_back(format("--act_bitwidth {}: use 8 or 16", *act_bitwidth));
  if (weights_bitwidth && *weights_bitwidth != 4 && *weights_bitwidth != 8 && *weights_bitwidth != 16) {
    problems.push_back(format("--weights_bitwidth {}: use 4, 8 or 16", *weights_bitwidth));
  }
  for (const std::string& name : emit) (void)exporters::builtin_registry().at(name);
  if (!(percentile >= 90.0 && percentile <= 100.0)) problems.push_back(format("--percentile_calibration_value {}: use 90 to 100", percentile));
  if (output.empty() && html.empty()) problems.push_back("nothing to write: give --output FOLDER, --html FILE or both");
  (void)exporters::format_of_name(encodings_version);
  if (blocks.block_size < 0) problems.push_back("--weight_block_size: at least 1");
  if (blocks.decompressed_bits > 0 && blocks.block_size == 0) problems.push_back("--lpbq needs --weight_block_size");
  if (blocks.block_size > 0 && (encodings_version == "0.6.1" || encodings_version == "overrides") && std::ranges::count(emit, "encodings") > 0) {
    problems.push_back(format("encodings {} cannot hold per-block scales; use --encodings-version 1.0.0 or 2.0.0", encodings_version));
  }
  if (threads < 1) problems.push_back("--threads: at least 1");
  (void)parse_accept(accept);
  (void)parse_relu6_policy(relu6);
  (void)rounding::method_from_name(adaround_method);
  const std::string method = method_of_activations();
  if (method == "seqmse") problems.push_back("--act_quantizer_calibration seqmse: SeqMSE is a method for weights, use mse");
  if (adaround.classic.iterations < 0 || adaround.classic.batch_rows < 1) problems.push_back("--adaround-iterations and --adaround-batch: at least 1");
  (void)optimize::builtin_registry().resolve(stages());
  if ((chooses_precision() || automatic()) && data_free) {
    problems.push_back(format("--optimizations {} measures on samples; it does not go with --data-free", join(optimizations, ",")));
  }
  check_search(*this, problems);
  if (data_free && !data.calib.empty()) problems.push_back("--data-free goes without --calib");
  if (data_free && calib::builtin_registry().at(method).needs_histogram) {
    problems.push_back(format("--act_quantizer_calibration {} needs samples; with --data-free leave it at min-max", method));
  }
  if (!stats.empty()) {
    if (!data.calib.empty() || data_free) problems.push_back("--stats takes the place of --calib and --data-free; give one of them");
    if (method == "auto" || method == "best" || compare_calibration) {
      problems.push_back(format("{} measures noise on images; with --stats name a method such as mse, or give --calib",
                                compare_calibration ? "--compare-calibration" : "--act_quantizer_calibration " + method));
    }
    if (!optimizations.empty()) problems.push_back("--optimizations are judged on images; give --calib instead of --stats");
  }
  if (compare_calibration && data_free) problems.push_back("--compare-calibration needs --calib");
  if (!problems.empty()) throw Error(ErrorCode::kUsage, format("{}", join(problems, "; ")));
}

namespace {

void write_adapted_model(const std::filesystem::path& path, const model::ModelState& state) {
  write_file_atomically(path, exporters::write_float_onnx(state.graph, {.tool_version = tool_version()}));
}

CalibrationData open_data(const QuantizeConfig& config, const LoadedModel& model, Reporter& reporter) {
  if (config.data_free) {
    return wants_synthetic_images(model.state, config.data) ? synthetic_calibration_data(config.data, model.state.graph, config.threads, reporter)
                                                            : CalibrationData{};
  }
  if (config.stats.empty()) return open_calibration_data(config.data, model.state.graph, config.threads, reporter);
  return data_from_statistics(std::make_shared<const StatisticsFile>(read_statistics(config.stats)), config.stats, model);
}

}  // namespace

QuantizeSummary quantize(const QuantizeConfig& config, Reporter& reporter) {
  config.validate();
  if (!config.data_free && config.data.calib.empty() && config.stats.empty()) {
    throw Error(ErrorCode::kUsage, "--calib is missing (or --stats with a statistics file, or --data-free, to go without samples)");
  }
  // Names of methods and profile are checked before the model is read.
  (void)calib::builtin_registry().at(config.method_of_activations());
  (void)calib::builtin_registry().at(config.weight_method);
  (void)resolved_profile(config);
  StageClock clock;

  LoadedModel loaded = load_model(config.model_options(), reporter);
  refuse_quantized_model(loaded, config.model.path);
  const CalibrationData data = open_data(config, loaded, reporter);
  // A place that cannot be written fails before the long work.
  std::optional<OutputSet> outputs, page;
  if (!config.output.empty()) outputs.emplace(config.output);
  if (!config.html.empty()) page.emplace(config.html.has_parent_path() ? config.html.parent_path() : std::filesystem::path("."));
  const ChannelRanges weights_before = page ? weight_channel_ranges(loaded.state.graph) : ChannelRanges();
  std::optional<exec::Executor> reference;  // of the float model, before any optimization
  if (page) reference.emplace(loaded.state.graph, exec::ExecOptions{});
  clock.mark("load");
  QuantizeConfig checkpointed = config;
  if (outputs) checkpointed.adaround.checkpoint = config.output / "adaround.checkpoint";
  const QuantizedModel quantized = quantize_in_memory(checkpointed, std::move(loaded), data, clock, reporter);
  const model::ModelState& state = quantized.model.state;

  QuantizeSummary summary;
  const std::string stem = config.model.path.stem().string();
  std::vector<ReportedFile> files;
  const auto emit = [&](const std::string& name, std::span<const std::byte> bytes, std::map<std::string, size_t> counts = {}) {
    outputs->add(name, bytes);
    files.push_back({name, bytes.size(), std::move(counts)});
    summary.files.push_back(name);
  };
  const exporters::ExportRequest request{state, quantized.profile, stem, tool_version(), reporter, config.encodings_version};
  for (const std::string& name : outputs ? config.emit : std::vector<std::string>()) {
    for (const exporters::OutputFile& file : exporters::builtin_registry().at(name).write(request)) emit(file.name, file.content, file.counts);
  }
  if (outputs) {
    for (const exporters::OutputFile& file : search_files(config, quantized, stem, reporter)) emit(file.name, file.content);
  }
  clock.mark("export");
  summary.weight_sqnr_db = total_weight_sqnr(state);
  const ReportInputs report_inputs{quantized.resolved ? *quantized.resolved : config, quantized, data, summary.weight_sqnr_db, files};
  const std::string report = write_report(report_inputs);
  if (outputs) emit("report.json", std::as_bytes(std::span(report)));
  if (page) page->add(config.html.filename().string(), quantize_page({report_inputs, report, weights_before, *reference}, reporter));
  if (outputs) outputs->commit();
  if (page) page->commit();
  if (!config.export_onnx.empty()) write_adapted_model(config.export_onnx, state);
  clock.mark("write");

  summary.unrolled = quantized.model.unrolled.nodes;
  summary.preprocessing = data.preprocessing_line;
  summary.samples = quantized.optimized.calibration.samples;
  for (const auto& [id, entry] : state.encodings) {
    ++(state.graph.is_constant(id) ? summary.parameter_encodings : summary.activation_encodings);
  }
  if (quantized.overrides) summary.from_file = quantized.overrides->line;
  if (quantized.comparison) {
    for (const MethodScore& score : quantized.comparison->scores) summary.methods.push_back({score.label, optimize::cost_db(score.cost), score.output_sqnr_db});
  }
  summary.skipped_samples = data.skipped;
  summary.advice = quantized.advice;
  summary.stages = quantized.optimized.rows;
  summary.held_out = quantized.optimized.held_out;
  summary.search = quantized.search;
  summary.seconds = clock.seconds;
  return summary;
}

}  // namespace qtool::pipeline
