#include "qtool/pipeline/compare_recipes.h"

#include <algorithm>
#include <chrono>

#include "comparison_page.h"
#include "output_reference.h"
#include "qtool/calib/registry.h"
#include "qtool/eval/classification.h"
#include "qtool/exporters/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "quantized_model.h"

namespace qtool::pipeline {

namespace {

// Raw outputs kept of the float model; 70 images of a YOLO at 640 x 640.
constexpr int64_t kReferenceBytes = int64_t{200} << 20;
// Decoded pictures kept between passes; 290 of 640 x 480 for evaluation.
constexpr size_t kEvaluationPictures = size_t{256} << 20, kCalibrationPictures = size_t{128} << 20;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> split_stages(const std::string& text) {
  std::vector<std::string> stages;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('+', at), text.size());
    stages.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return stages;
}

bool is_stage_list(const std::string& text) {
  const std::vector<std::string> stages = split_stages(text);
  return std::all_of(stages.begin(), stages.end(), is_optimization);
}

// One recipe of the list as a configuration.
QuantizeConfig configured(const CompareConfig& config, const std::string& label) {
  QuantizeConfig recipe = config.base;
  if (!is_stage_list(label)) {
    apply_recipe(load_recipe(label), recipe);
    return recipe;
  }
  recipe.optimizations = split_stages(label);
  // Corrections smaller than half a step of an 8-bit bias are lost.
  if (!recipe.bias_bitwidth) recipe.bias_bitwidth = 32;
  return recipe;
}

// Measures one executor on the labelled images.
class Evaluation {
 public:
  Evaluation(const CompareConfig& config, const ir::Graph& graph, Reporter& reporter)
      : options_(evaluation_options(config.evaluation, graph, reporter)),
        labels_(eval::load_labels(config.evaluation.images,
                                  {.path = config.evaluation.labels, .task = config.evaluation.task, .limit = config.evaluation.limit},
                                  reporter)),
        reporter_(reporter) {
    options_.pictures = std::make_shared<data::PictureCache>(options_.preprocessing, graph.type_of(graph.inputs.at(0)).shape, kEvaluationPictures);
  }

  using OnOutputs = std::function<void(int64_t, const std::vector<Tensor>&)>;
  [[nodiscard]] eval::EvaluationResult run(const model::ModelState& state, bool simulated, OnOutputs on_outputs) const {
    eval::EvaluationOptions options = options_;
    options.on_outputs = std::move(on_outputs);
    const exec::Executor executor(state.graph, {.encodings = simulated ? &state.encodings : nullptr});
    return eval::evaluate(executor, state.graph, labels_, options, reporter_);
  }
  [[nodiscard]] const eval::Labels& labels() const { return labels_; }
  [[nodiscard]] const eval::EvaluationOptions& options() const { return options_; }

 private:
  eval::EvaluationOptions options_;
  eval::Labels labels_;
  Reporter& reporter_;
};

struct Baseline {
  OutputReference outputs;
  eval::EvaluationResult result;
  std::vector<double> resampled;  // the metric of every draw; empty: no intervals are wanted
  double seconds = 0.0;
};

// The metric on other draws of the images.
std::vector<double> resample(const CompareConfig& config, const Evaluation& evaluation, const eval::EvaluationResult& result) {
  const auto metric = eval::resampled_metric(evaluation.labels(), result, evaluation.options().categories);
  return eval::bootstrap_values(*metric, result.images, {.resamples = config.resamples, .threads = config.evaluation.threads});
}

Baseline measure_float(const CompareConfig& config, const Evaluation& evaluation, const model::ModelState& state) {
  const auto start = std::chrono::steady_clock::now();
  Baseline baseline{OutputReference(state.graph, eval::image_count(evaluation.labels()), kReferenceBytes), {}, {}};
  baseline.result = evaluation.run(state, false, [&](int64_t i, const auto& outputs) { baseline.outputs.keep(i, outputs); });
  baseline.outputs.finish();
  if (config.resamples > 0) baseline.resampled = resample(config, evaluation, baseline.result);
  baseline.seconds = seconds_since(start);
  return baseline;
}

size_t container_bytes(const QuantizedModel& quantized, Reporter& reporter) {
  const exporters::ExportRequest request{quantized.model.state, quantized.profile, "model", tool_version(), reporter};
  size_t bytes = 0;
  for (const exporters::OutputFile& file : exporters::builtin_registry().at("dlc").write(request)) bytes += file.content.size();
  return bytes;
}

void measure_recipe(const CompareConfig& config, const Evaluation& evaluation, const Baseline& baseline,
                    const model::ModelState& state, ComparedRecipe& row) {
  const auto start = std::chrono::steady_clock::now();
  OutputDistance distance(baseline.outputs);
  const eval::EvaluationResult result =
      evaluation.run(state, true, [&](int64_t i, const auto& outputs) { distance.add(i, outputs); });
  row.metrics = result.metrics;
  row.drop = baseline.result.headline().value - result.headline().value;
  if (!baseline.resampled.empty()) {
    row.interval = eval::bootstrap_drop(baseline.resampled, resample(config, evaluation, result), eval::BootstrapOptions{}.level);
  }
  if (result.task == eval::Task::kClassify) {
    row.agreement = eval::agreement(baseline.result.predicted_classes, result.predicted_classes);
  }
  const std::vector<eval::SignalSums> sums = distance.sums();
  for (size_t b = 0; b < sums.size(); ++b) {
    row.blocks.push_back({baseline.outputs.blocks()[b].name, sums[b].sqnr_db(), sums[b].cosine()});
  }
  row.evaluate_seconds = seconds_since(start);
}

// The earlier recipe with the most of this one's stages: its row is what the added stages are measured against.
void find_gain(std::vector<ComparedRecipe>& rows, const std::vector<QuantizeConfig>& configs, size_t index) {
  const std::vector<std::string>& stages = configs[index].optimizations;
  if (stages.empty()) return;
  size_t best = index, best_shared = 0;
  for (size_t i = 0; i < index; ++i) {
    const auto& other = configs[i].optimizations;
    const bool part = other.size() < stages.size() && std::all_of(other.begin(), other.end(), [&](const std::string& stage) {
      return std::find(stages.begin(), stages.end(), stage) != stages.end();
    });
    if (!part || (best != index && other.size() <= best_shared)) continue;
    best = i;
    best_shared = other.size();
  }
  if (best == index) return;
  rows[index].builds_on = rows[best].label;
  rows[index].gain = rows[index].metrics.front().value - rows[best].metrics.front().value;
}

std::optional<std::string> gate_failure(const CompareConfig& config, const CompareResult& result) {
  if (!config.max_drop) return std::nullopt;
  const auto too_much = [&](const ComparedRecipe& row) { return 100.0 * row.drop > *config.max_drop; };
  std::vector<const ComparedRecipe*> gated;
  for (const ComparedRecipe& row : result.recipes) {
    if (std::find(config.gate.begin(), config.gate.end(), row.label) != config.gate.end()) gated.push_back(&row);
  }
  if (config.gate.empty()) {
    gated = {&*std::min_element(result.recipes.begin(), result.recipes.end(),
                                [](const auto& a, const auto& b) { return a.drop < b.drop; })};
  }
  std::vector<std::string> failures;
  for (const ComparedRecipe* row : gated) {
    if (too_much(*row)) failures.push_back(format("{} loses {:.2f} points of {}", row->label, 100.0 * row->drop, row->metrics.front().name));
  }
  if (failures.empty()) return std::nullopt;
  return format("{}{}; allowed are {:.2f}", config.gate.empty() ? "the best recipe, " : "", join(failures, ", "), *config.max_drop);
}

void check_recipes(const CompareConfig& config) {
  if (config.recipes.empty()) throw Error(ErrorCode::kUsage, "--recipes: name at least one");
  for (auto at = config.recipes.begin(); at != config.recipes.end(); ++at) {
    if (std::find(config.recipes.begin(), at, *at) != at) throw Error(ErrorCode::kUsage, format("--recipes: {} is named twice", *at));
  }
}

void check_gate(const CompareConfig& config) {
  for (const std::string& name : config.gate) {
    if (std::find(config.recipes.begin(), config.recipes.end(), name) == config.recipes.end()) {
      throw Error(ErrorCode::kUsage, format("--gate {}: not among the recipes {}", name, join(config.recipes, ", ")));
    }
  }
  if (!config.gate.empty() && !config.max_drop) throw Error(ErrorCode::kUsage, "--gate goes with --max-drop");
}

}  // namespace

CompareResult compare_recipes(const CompareConfig& config, Reporter& reporter) {
  const auto start = std::chrono::steady_clock::now();
  check_recipes(config);
  check_gate(config);
  std::vector<QuantizeConfig> configs;
  for (const std::string& label : config.recipes) {
    configs.push_back(configured(config, label));
    configs.back().validate();
    (void)resolved_profile(configs.back());
  }

  // One pass serves those that need no histograms too.
  const bool histograms = !config.html.empty() || std::ranges::any_of(configs, [](const QuantizeConfig& recipe) {
    return calib::builtin_registry().at(recipe.method_of_activations()).needs_histogram;
  });
  for (QuantizeConfig& recipe : configs) recipe.histograms = histograms;

  const LoadedModel model = load_model(config.base.model_options(), reporter);
  refuse_quantized_model(model, config.base.model.path);
  const CalibrationData data = open_calibration_data(config.base.data, model.state.graph, config.base.threads, reporter, kCalibrationPictures);
  const Evaluation evaluation(config, model.state.graph, reporter);
  std::optional<OutputSet> outputs;  // a place that cannot be written fails before the long work
  std::optional<ComparisonPage> page;
  if (!config.html.empty()) {
    outputs.emplace(config.html.has_parent_path() ? config.html.parent_path() : std::filesystem::path("."));
    page.emplace(config, model, evaluation.labels(), evaluation.options());
  }
  const Baseline baseline = measure_float(config, evaluation, model.state);

  CompareResult result{.model = config.base.model.path.filename().string(), .task = baseline.result.task,
                       .images = baseline.result.images, .calibration_samples = data.source->size(),
                       .sqnr_images = baseline.outputs.kept(), .metrics = baseline.result.metrics,
                       .model_bytes = model.file_bytes, .fp32_seconds = baseline.seconds};
  SharedWork shared;
  for (size_t i = 0; i < configs.size(); ++i) {
    reporter.info(format("recipe {} ({} of {})", config.recipes[i], i + 1, configs.size()));
    ComparedRecipe row{.recipe = recipe_of(configs[i], config.recipes[i]), .label = config.recipes[i]};
    StageClock clock;
    const QuantizedModel quantized = quantize_in_memory(configs[i], model, data, clock, reporter, &shared);
    row.quantize_seconds = clock.seconds.at("total");
    row.stages = quantized.optimized.rows;
    row.warnings = quantized.warnings;
    row.dlc_bytes = container_bytes(quantized, reporter);
    measure_recipe(config, evaluation, baseline, quantized.model.state, row);
    if (page) page->add(row.label, configs[i], quantized);
    result.recipes.push_back(std::move(row));
    find_gain(result.recipes, configs, i);
  }
  result.gate_failure = gate_failure(config, result);
  if (shared.reused() > 0) reporter.info(format("{} results of earlier recipes were used again", shared.reused()));
  result.seconds = seconds_since(start);
  if (page) {
    outputs->add(config.html.filename().string(), page->render(result, data, reporter));
    outputs->commit();
  }
  return result;
}

}  // namespace qtool::pipeline
