#include "qtool/pipeline/evaluate_model.h"

#include <chrono>

#include "calibration_data.h"
#include "qtool/exec/executor.h"
#include "qtool/exporters/encodings_json.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

void compare_with_float(const EvaluateConfig& config, const model::ModelState& state, const exec::Executor& simulated,
                        EvaluateSummary& summary, Reporter& reporter) {
  if (state.encodings.empty() && config.reference.empty()) {
    throw Error(ErrorCode::kUsage, "nothing to measure: give --labels for a metric, or --encodings to compare the simulation with float");
  }
  const DataOptions data{.calib = config.images, .preprocess_file = config.preprocess_file, .preprocessing = config.preprocessing,
                         .limit = config.limit};
  const CalibrationData images = open_calibration_data(data, state.graph, config.threads, reporter);
  const ModelOptions other{.path = config.reference, .input_shapes = config.model.input_shapes, .split_outputs = config.model.split_outputs};
  const exec::Executor reference(config.reference.empty() ? state.graph : load_model(other, reporter).state.graph, {});
  summary.preprocessing = images.preprocessing_line;
  summary.comparison = eval::compare(reference, simulated, state.graph, *images.source, config.threads, reporter);
}

}  // namespace

eval::EvaluationOptions evaluation_options(const EvaluationRequest& request, const ir::Graph& graph, Reporter& reporter) {
  data::PreprocessingRequest preprocessing;
  if (!request.preprocess_file.empty()) {
    preprocessing = data::parse_preprocessing_json(read_text_file(request.preprocess_file), request.preprocess_file.string());
  }
  preprocessing.merge(request.preprocessing);
  eval::EvaluationOptions options{.threads = request.threads, .class_offset = request.class_offset, .decoder = request.decoder,
                                  .thresholds = request.thresholds, .categories = request.categories};
  const Shape shape = input_specs(graph).at(0).type.shape;
  options.preprocessing = data::resolve_preprocessing(preprocessing, shape);
  reporter.info("preprocessing: " + data::describe(options.preprocessing, shape));
  return options;
}

EvaluateSummary evaluate_model(const EvaluateConfig& config, Reporter& reporter) {
  const auto start = std::chrono::steady_clock::now();
  LoadedModel model = load_model(with_encodings(config.model, config.encodings), reporter);
  exec::ExecOptions exec_options;
  if (!model.state.encodings.empty()) exec_options.encodings = &model.state.encodings;
  if (!config.encodings.empty()) {
    const auto applied = exporters::apply_encodings(model.state, ops::builtin_registry(), read_text_file(config.encodings),
                                                    config.encodings.filename().string(), {.removed_names = model.original_tensors});
    for (const std::string& warning : applied.warnings) reporter.warning(warning);
    reporter.info(format("{} of {} encodings of the file applied, {} biases derived", applied.applied, applied.in_file, applied.derived_biases));
    exec_options.encodings = &model.state.encodings;
  }
  const exec::Executor executor(model.state.graph, exec_options);
  EvaluateSummary summary;
  if (config.labels.empty()) {
    compare_with_float(config, model.state, executor, summary, reporter);
  } else {
    const eval::EvaluationOptions options = evaluation_options(config, model.state.graph, reporter);
    summary.preprocessing = data::describe(options.preprocessing, model.state.graph.type_of(model.state.graph.inputs.at(0)).shape);
    const eval::Labels labels = eval::load_labels(
        config.images, {.path = config.labels, .task = config.task, .limit = config.limit}, reporter);
    summary.metrics = eval::evaluate(executor, model.state.graph, labels, options, reporter);
  }
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace qtool::pipeline
