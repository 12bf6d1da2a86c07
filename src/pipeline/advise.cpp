#include "qtool/pipeline/advise.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "advise_causes.h"
#include "expected_drop.h"
#include "held_out_judge.h"
#include "labelled_metric.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "quiet_trial.h"

namespace qtool::pipeline {

namespace {

constexpr double kLargestHalf = 65504.0;

struct Rung {
  const char* name;
  int weights, activations;
};
constexpr std::array kRungs = {Rung{"W16A16", 16, 16}, Rung{"W8A16", 8, 16}, Rung{"W8A8", 8, 8}, Rung{"W4A8", 4, 8}};

bool lists(const std::vector<int>& widths, int wanted) { return widths.empty() || std::ranges::find(widths, wanted) != widths.end(); }

// Why a profile does not have these widths for convolutions and matrix products; empty: it does.
std::string unavailable(const model::TargetProfile& profile, const Rung& rung) {
  for (const auto& [op, limits] : profile.op_limits) {
    if (!lists(limits.activation_bits, rung.activations)) return format("profile '{}' has no {}-bit activations for {}", profile.name, rung.activations, op);
    const bool wide = rung.activations > 8 && !limits.weight_bits_at_16.empty();
    if (!lists(wide ? limits.weight_bits_at_16 : limits.weight_bits, rung.weights)) {
      return format("profile '{}' has no {}-bit weights beside {}-bit activations for {}", profile.name, rung.weights, rung.activations, op);
    }
  }
  return {};
}

// The float model with every constant rounded to half floats: what FP16 does but for the rounding of activations, which is
// some 66 dB down.
model::ModelState half_model(const model::ModelState& floats) {
  model::ModelState half = floats;
  half.encodings.clear();
  for (const ir::ValueId id : half.graph.value_ids()) {
    const Tensor* constant = half.graph.constant(id);
    if (constant == nullptr || constant->dtype() != DType::kFloat32) continue;
    Tensor rounded = constant->clone();
    for (float& value : rounded.mutable_data<float>()) value = Half(value);
    half.graph.value(id).constant = std::move(rounded);
  }
  return half;
}

class Advisor {
 public:
  Advisor(const AdviseConfig& config, const LoadedModel& model, const CalibrationData& data, Reporter& reporter)
      : config_(config), model_(model), data_(data), reporter_(reporter), quiet_(reporter),
        judge_(model.state.graph, data, config.quantize.threads, reporter) {
    result_.samples = judge_.samples();
    result_.detector = judge_.is_detector();
    result_.threshold = config.threshold;
    result_.profile = resolved_profile(config.quantize).name;
    if (config.evaluation.labels.empty()) return;
    metric_.emplace(config.evaluation, model.state.graph, reporter);
    result_.metric = metric_->name();
    result_.float_metric = metric_->float_value();
  }

  AdviseResult run() {
    add_half();
    for (const Rung& rung : kRungs) add_rung(rung);
    conclude();
    return std::move(result_);
  }

 private:
  void add_half() {
    AdvisedStep step{.precision = "FP16"};
    const model::ModelState half = half_model(model_.state);
    fill(step, half, resolved_profile(config_.quantize).cost);
    result_.steps.push_back(std::move(step));
  }

  void add_rung(const Rung& rung) {
    QuantizeConfig recipe = config_.quantize;
    recipe.weights_bitwidth = rung.weights;
    recipe.act_bitwidth = rung.activations;
    recipe.keep_aside = kSamplesAside;
    recipe.histograms = true;  // the causes need them
    AdvisedStep step{.precision = rung.name};
    step.note = unavailable(resolved_profile(recipe), rung);
    step.available = step.note.empty();
    if (!step.available) {
      result_.steps.push_back(std::move(step));
      return;
    }
    reporter_.info(format("advise: {}", rung.name));
    const QuantizedModel quantized = quantized_by(recipe);
    if (largest_activation_ == 0.0) note_half_overflow(quantized);
    fill(step, quantized.model.state, quantized.profile.cost);
    const bool first = !step.passes && result_.first_failing.empty();
    if (first) {
      result_.first_failing = rung.name;
      result_.causes = failure_causes(quantized, judge_);
      for (const std::string& warning : quantized.warnings) reporter_.warning(format("{}: {}", rung.name, warning));
    }
    result_.steps.push_back(std::move(step));
    if (first && rung.activations == 8 && rung.weights == 8) try_selective(recipe, rung);
  }

  QuantizedModel quantized_by(const QuantizeConfig& recipe) {
    StageClock clock;
    return quantize_in_memory(recipe, model_, data_, clock, quiet_);
  }

  // Values that half floats cannot hold, from the first statistics at hand.
  void note_half_overflow(const QuantizedModel& quantized) {
    for (const auto& [id, seen] : quantized.optimized.calibration.statistics) {
      if (!seen.empty()) largest_activation_ = std::max({largest_activation_, std::abs(seen.range.lo), std::abs(seen.range.hi)});
    }
    if (largest_activation_ <= kLargestHalf) return;
    AdvisedStep& half = result_.steps.front();
    half.passes = false;
    half.note = format("activations reach {:.3g}, half floats end at {:.0f}", largest_activation_, kLargestHalf);
    if (result_.first_failing.empty()) {
      result_.first_failing = half.precision;
      result_.causes = {half.note};
    }
  }

  void try_selective(QuantizeConfig recipe, const Rung& rung) {
    reporter_.info(format("advise: {} + selective", rung.name));
    recipe.optimizations = {"selective"};
    const QuantizedModel quantized = quantized_by(recipe);
    AdvisedStep step{.precision = format("{} + selective", rung.name)};
    fill(step, quantized.model.state, quantized.profile.cost, true);
    step.note = format("{} tensors at 16 bits", quantized.precision ? quantized.precision->choices.size() : 0);
    result_.remedy = std::move(step);
  }

  // Figures of a step. Below the first failing one the labels are not asked any more, unless `always`.
  void fill(AdvisedStep& step, const model::ModelState& state, const model::CostRates& rates, bool always = false) {
    OutputFigures figures = judge_.figures(state, rates);
    step.noise_db = figures.noise_db;
    step.blocks = std::move(figures.blocks);
    step.expected_drop = figures.expected_drop;
    step.agreement = judge_.agreement(state);
    step.cost = figures.cost;
    if (metric_ && (always || result_.first_failing.empty())) {
      step.metric = metric_->measure(state);
      step.drop = 100.0 * (*result_.float_metric - *step.metric);
    }
    step.passes = step.drop.value_or(step.expected_drop) <= config_.threshold;
  }

  // ---- what follows from it --------------------------------------------------------------------------------------------

  void conclude() {
    const std::string& failing = result_.first_failing;
    if (failing.empty()) {
      result_.verdict = format("every precision of the profile stays within {} points", config_.threshold);
      result_.commands.push_back(command(format("--weights_bitwidth {} --act_bitwidth 8", has_step("W4A8") ? 4 : 8)));
      return;
    }
    std::string last = "FP32";
    for (const AdvisedStep& step : result_.steps) {
      if (step.precision == failing) break;
      if (step.available) last = step.precision;
    }
    result_.verdict = format("{} is the last precision that stays within {} points; {} is the first that does not", last, config_.threshold, failing);
    if (result_.remedy) {
      result_.verdict += result_.remedy->passes ? format(", {} does", result_.remedy->precision)
                                                : format("; {} comes nearer but misses too", result_.remedy->precision);
    }
    if (failing == "W8A8") advise_narrow_activations();
    else if (failing == "W4A8") {
      result_.commands.push_back(command("--weights_bitwidth 4 --optimizations adaround"));
      result_.commands.push_back(command("--weights_bitwidth 8"));
    } else if (failing == "FP16") result_.commands.push_back(command("--act_bitwidth 16"));
    else advise_weights();
  }

  void advise_narrow_activations() {
    if (result_.remedy && result_.remedy->passes) result_.commands.push_back(command("--optimizations selective"));
    result_.commands.push_back(command(format("--optimizations auto --target-drop {}", config_.threshold)));
    if (!resolved_profile(config_.quantize).per_channel) result_.commands.push_back(command("--optimizations auto", "htp"));
    result_.commands.push_back(command("--act_bitwidth 16"));
  }

  // 16-bit activations lose as well: what is left is the weights.
  void advise_weights() {
    if (!resolved_profile(config_.quantize).per_channel) result_.commands.push_back(command("--act_bitwidth 16", "htp"));
    result_.commands.push_back(command("--act_bitwidth 16 --optimizations cle,bc"));
    result_.commands.push_back(command("--act_bitwidth 16 --optimizations adaround"));
  }

  [[nodiscard]] bool has_step(const std::string& precision) const {
    return std::ranges::any_of(result_.steps, [&](const AdvisedStep& step) { return step.precision == precision && step.available; });
  }

  [[nodiscard]] std::string command(const std::string& options, const std::string& profile = {}) const {
    const QuantizeConfig& c = config_.quantize;
    return format("qtool quantize {} --calib {} --profile {} {} -o out/", c.model.path.filename().string(), c.data.calib.string(),
                  profile.empty() ? c.profile : profile, options);
  }

  const AdviseConfig& config_;
  const LoadedModel& model_;
  const CalibrationData& data_;
  Reporter& reporter_;
  QuietTrial quiet_;
  HeldOutJudge judge_;
  std::optional<LabelledMetric> metric_;
  double largest_activation_ = 0.0;
  AdviseResult result_;
};

void check(const AdviseConfig& config) {
  config.quantize.validate();
  std::vector<std::string> problems;
  if (config.quantize.data.calib.empty()) problems.push_back("--calib is missing");
  if (config.evaluation.labels.empty() != config.evaluation.images.empty()) problems.push_back("--images and --labels belong together");
  if (!(config.threshold > 0.0 && config.threshold <= 100.0)) problems.push_back(format("--threshold {}: points of the metric, above 0 and at most 100", config.threshold));
  if (!config.quantize.optimizations.empty()) problems.push_back("--optimizations: advise says itself which to try");
  if (config.quantize.act_bitwidth || config.quantize.weights_bitwidth) problems.push_back("--act_bitwidth and --weights_bitwidth: advise walks through them itself");
  if (!problems.empty()) throw Error(ErrorCode::kUsage, format("{}", join(problems, "; ")));
}

}  // namespace

AdviseResult advise(const AdviseConfig& config, Reporter& reporter) {
  const auto start = std::chrono::steady_clock::now();
  check(config);
  const LoadedModel model = load_model(config.quantize.model_options(), reporter);
  refuse_quantized_model(model, config.quantize.model.path);
  const CalibrationData data = open_calibration_data(config.quantize.data, model.state.graph, config.quantize.threads, reporter);
  AdviseResult result = Advisor(config, model, data, reporter).run();
  result.model = config.quantize.model.path.filename().string();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace qtool::pipeline
