#include "qtool/pipeline/analyze.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "analyze_page.h"
#include "qtool/optimize/noise_probe.h"
#include "qtool/optimize/simulation_noise.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "quantized_model.h"
#include "quantizer_groups.h"
#include "tensor_diagnosis.h"

namespace qtool::pipeline {

namespace {

using model::EncodingTable;

NoiseFigure figure_of(const optimize::OutputNoise& noise, const std::vector<optimize::OutputBlock>& blocks) {
  NoiseFigure figure;
  const double cost = noise.cost(blocks);
  if (std::isfinite(cost)) figure.loss = cost;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const double db = noise.sqnr_db(i);
    figure.blocks.push_back({blocks[i].name, std::isfinite(db) ? std::optional(db) : std::nullopt});
  }
  return figure;
}

// The state with some of its encodings; the graph is shared as far as tensors are.
template <class Keep>
model::ModelState with_encodings(const model::ModelState& state, const Keep& keep) {
  model::ModelState part{.graph = state.graph};
  for (const auto& [id, entry] : state.encodings) {
    if (keep(id)) part.encodings.emplace(id, entry);
  }
  return part;
}

bool belongs_to(const QuantizerGroup& group, ir::ValueId id) {
  const auto in = [id](const std::vector<ir::ValueId>& list) { return std::find(list.begin(), list.end(), id) != list.end(); };
  return in(group.activations) || in(group.constants);
}

class Analyzer {
 public:
  Analyzer(const AnalyzeConfig& config, const QuantizedModel& quantized, const data::SampleSource& samples, Reporter& reporter)
      : config_(config), quantized_(quantized), state_(quantized.model.state), samples_(samples), reporter_(reporter),
        groups_(quantizer_groups(state_)) {}

  AnalyzeResult run() {
    const optimize::SimulationNoise simulation(state_.graph, samples_, config_.probe_samples, config_.quantize.threads);
    result_.detector = simulation.measure().is_detector();
    result_.samples = simulation.samples();
    measure_parts(simulation);
    measure_alone(simulation.samples());
    rank();
    measure_without(simulation);
    explain();
    if (!config_.evaluation.labels.empty()) measure_metric();
    for (const QuantizerGroup* group : ranked_) result_.layers.push_back(sensitivity_.at(group));
    return std::move(result_);
  }

 private:
  void measure_parts(const optimize::SimulationNoise& simulation) {
    const auto& blocks = simulation.measure().blocks();
    const auto add = [&](const char* name, const auto& keep) {
      const optimize::OutputNoise noise = simulation.of(with_encodings(state_, keep));
      result_.parts.push_back({name, figure_of(noise, blocks), std::nullopt});
      return noise.cost(blocks);
    };
    add("weights only", [&](ir::ValueId id) { return state_.graph.is_constant(id); });
    add("activations only", [&](ir::ValueId id) { return !state_.graph.is_constant(id); });
    cost_of_all_ = add("weights and activations", [](ir::ValueId) { return true; });
  }

  // Each group alone: only what lies behind it is computed again.
  void measure_alone(int64_t sample_count) {
    std::vector<ir::ValueId> changeable;
    std::vector<optimize::Variant> variants;
    for (const QuantizerGroup& group : groups_) {
      changeable.insert(changeable.end(), group.activations.begin(), group.activations.end());
      optimize::Variant variant{.changed = group.activations, .rounded = group.constants};
      if (!group.activations.empty()) variant.change = optimize::onto_grid(state_.encodings.at(group.activations.front()).encoding);
      variants.push_back(std::move(variant));
    }
    optimize::NoiseProbe probe(state_.graph, changeable, samples_, config_.quantize.threads, &state_.encodings);
    std::vector<optimize::OutputNoise> total(groups_.size());
    for (int64_t sample = 0; sample < sample_count; ++sample) {
      reporter_.progress("each layer alone", sample + 1, sample_count);
      const std::vector<optimize::OutputNoise> noise = probe.run(variants, {&sample, 1});
      for (size_t i = 0; i < groups_.size(); ++i) total[i].add(noise[i].signal, noise[i].noise);
    }
    for (size_t i = 0; i < groups_.size(); ++i) {
      LayerSensitivity& layer = sensitivity_[&groups_[i]];
      layer.name = groups_[i].name;
      layer.op = groups_[i].op;
      layer.tensor = groups_[i].leader == ir::kNoValue ? "" : state_.graph.value(groups_[i].leader).name;
      layer.alone = figure_of(total[i], probe.measure().blocks());
    }
  }

  void rank() {
    for (const QuantizerGroup& group : groups_) ranked_.push_back(&group);
    const auto loss = [&](const QuantizerGroup* group) { return sensitivity_.at(group).alone.loss.value_or(1e30); };
    std::stable_sort(ranked_.begin(), ranked_.end(), [&](const auto* a, const auto* b) { return loss(a) > loss(b); });
  }

  void measure_without(const optimize::SimulationNoise& simulation) {
    const size_t count = std::min(ranked_.size(), static_cast<size_t>(config_.left_in_float));
    for (size_t i = 0; i < count; ++i) {
      reporter_.progress("worst layers in float", static_cast<int64_t>(i + 1), static_cast<int64_t>(count));
      const auto without = with_encodings(state_, [&](ir::ValueId id) { return !belongs_to(*ranked_[i], id); });
      const double cost = simulation.of(without).cost(simulation.measure().blocks());
      const double gain = optimize::cost_db(cost) - optimize::cost_db(cost_of_all_);
      if (std::isfinite(gain)) sensitivity_.at(ranked_[i]).gain_db = gain;
    }
  }

  // The most severe finding among the tensors of the group.
  void explain() {
    for (const QuantizerGroup* group : ranked_) {
      std::optional<Diagnosis> worst;
      std::vector<ir::ValueId> members = group->constants;
      if (group->leader != ir::kNoValue) members.push_back(group->leader);
      for (const ir::ValueId id : members) {
        const auto seen = quantized_.optimized.calibration.statistics.find(id);
        const bool has_statistics = seen != quantized_.optimized.calibration.statistics.end();
        auto found = diagnose_tensor(state_, has_statistics ? &seen->second : nullptr, id);
        if (found && (!worst || found->severity > worst->severity)) worst = std::move(found);
      }
      if (!worst) continue;
      LayerSensitivity& layer = sensitivity_.at(group);
      layer.kind = worst->kind;
      layer.cause = worst->cause;
      layer.option = worst->option;
    }
  }

  double metric_of(const EncodingTable* encodings, const eval::Labels& labels, const eval::EvaluationOptions& options) {
    const exec::Executor executor(state_.graph, {.encodings = encodings});
    const eval::EvaluationResult found = eval::evaluate(executor, state_.graph, labels, options, reporter_);
    result_.metric = found.headline().name;
    return found.headline().value;
  }

  void measure_metric() {
    const EvaluationRequest& request = config_.evaluation;
    const eval::EvaluationOptions options = evaluation_options(request, state_.graph, reporter_);
    const eval::Labels labels = eval::load_labels(request.images, {.path = request.labels, .task = request.task, .limit = request.limit}, reporter_);
    const auto measured = [&](const auto& keep) {
      const model::ModelState part = with_encodings(state_, keep);
      return metric_of(&part.encodings, labels, options);
    };
    result_.float_metric = metric_of(nullptr, labels, options);
    result_.parts[0].metric = measured([&](ir::ValueId id) { return state_.graph.is_constant(id); });
    result_.parts[1].metric = measured([&](ir::ValueId id) { return !state_.graph.is_constant(id); });
    result_.parts[2].metric = measured([](ir::ValueId) { return true; });
    for (size_t i = 0; i < std::min(ranked_.size(), static_cast<size_t>(config_.metric_layers)); ++i) {
      LayerSensitivity& layer = sensitivity_.at(ranked_[i]);
      layer.metric_alone = measured([&](ir::ValueId id) { return belongs_to(*ranked_[i], id); });
      layer.metric_without = measured([&](ir::ValueId id) { return !belongs_to(*ranked_[i], id); });
    }
  }

  const AnalyzeConfig& config_;
  const QuantizedModel& quantized_;
  const model::ModelState& state_;
  const data::SampleSource& samples_;
  Reporter& reporter_;
  std::vector<QuantizerGroup> groups_;
  std::map<const QuantizerGroup*, LayerSensitivity> sensitivity_;
  std::vector<const QuantizerGroup*> ranked_;  // worst first
  double cost_of_all_ = 0.0;
  AnalyzeResult result_;
};

void check(const AnalyzeConfig& config) {
  config.quantize.validate();
  std::vector<std::string> problems;
  if (config.quantize.data.calib.empty()) problems.push_back("--calib is missing");
  if (config.evaluation.labels.empty() != config.evaluation.images.empty()) problems.push_back("--images and --labels belong together");
  if (!problems.empty()) throw Error(ErrorCode::kUsage, format("{}", join(problems, "; ")));
}

}  // namespace

AnalyzeResult analyze(const AnalyzeConfig& config, Reporter& reporter) {
  const auto start = std::chrono::steady_clock::now();
  check(config);
  QuantizeConfig recipe = config.quantize;
  recipe.histograms = true;  // the causes need them, with or without a page
  std::optional<OutputSet> page;  // a place that cannot be written fails before the long work
  if (!config.html.empty()) page.emplace(config.html.has_parent_path() ? config.html.parent_path() : std::filesystem::path("."));
  LoadedModel loaded = load_model(recipe.model_options(), reporter);
  refuse_quantized_model(loaded, recipe.model.path);
  const CalibrationData data = open_calibration_data(recipe.data, loaded.state.graph, recipe.threads, reporter);
  StageClock clock;
  const QuantizedModel quantized = quantize_in_memory(recipe, std::move(loaded), data, clock, reporter);

  AnalyzeResult result = Analyzer(config, quantized, *data.source, reporter).run();
  result.model = config.quantize.model.path.filename().string();
  result.warnings = quantized.warnings;
  if (page) {
    page->add(config.html.filename().string(), analyze_page(config, result, quantized, reporter));
    page->commit();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace qtool::pipeline
