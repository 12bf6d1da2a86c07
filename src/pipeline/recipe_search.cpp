#include "recipe_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "held_out_judge.h"
#include "labelled_metric.h"
#include "qtool/pipeline/recipe.h"
#include "qtool/support/duration.h"
#include "qtool/support/format.h"
#include "quiet_trial.h"
#include "qtool/pipeline/search_json.h"
#include "search_steps.h"
#include "shared_work.h"

namespace qtool::pipeline {

namespace {

constexpr double kDefaultDrop = 0.5;    // points
constexpr double kUncertainty = 3.0;    // of the drop without labels: a factor
constexpr double kLeastGainDb = 0.05;   // a gain below this is noise of the few samples it is measured on
constexpr double kMetricSlack = 0.1;    // points that a step may lose on the user's labels: labels beat the estimate, but for chance

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Trial {
  QuantizeConfig config;
  QuantizedModel quantized;
};

class RecipeSearch {
 public:
  RecipeSearch(const QuantizeConfig& config, const LoadedModel& model, const CalibrationData& data, Reporter& reporter)
      : config_(config), model_(model), data_(data), reporter_(reporter), quiet_(reporter), judge_(model.state.graph, data, config.threads, reporter) {
    record_.target_given = config.search.target_drop.has_value();
    record_.target_drop = config.search.target_drop.value_or(kDefaultDrop);
    record_.target_cost = config.search.target_cost;
    record_.time_budget = config.search.time_budget;
    record_.samples = judge_.samples();
  }

  QuantizedModel run() {
    if (!config_.search.evaluation.labels.empty()) measure_float();
    start();
    std::vector<SearchStep> steps = search_steps(config_);
    for (size_t next = 0; next < steps.size(); ++next) {
      if (surely_met() || (steps[next].costly && met())) break;
      order_by_noise(steps, next);
      attempt(steps[next]);
    }
    if (met() && record_.target_given) attempt_narrow_weights();
    finish();
    Trial& best = best_so_far();
    for (const std::string& warning : best.quantized.warnings) reporter_.warning(warning);
    QuantizedModel result = std::move(best.quantized);
    const std::vector<optimize::StageRow> rows = search_rows(record_);
    result.optimized.rows.insert(result.optimized.rows.begin(), rows.begin(), rows.end());
    result.optimized.held_out = std::max(result.optimized.held_out, record_.samples);
    result.search = std::move(record_);
    result.resolved = std::move(best.config);
    return result;
  }

 private:
  void measure_float() {
    metric_.emplace(config_.search.evaluation, model_.state.graph, reporter_);
    record_.metric = metric_->name();
    record_.float_metric = metric_->float_value();
  }

  // What the user asked for, without any optimization.
  void start() {
    QuantizeConfig plain = config_;
    plain.optimizations.clear();
    plain.activation_method = plain.method_of_activations();  // steps that add optimizations must not change it unasked
    plain.keep_aside = kSamplesAside;
    SearchRow row{.step = "plain"};
    const auto began = Clock::now();
    accepted_.emplace(run_trial(plain));
    judge(*accepted_, row);
    plain_seconds_ = run_seconds_ = seconds_since(began);
    measure_metric(*accepted_, row);
    row.decision = "start";
    row.reason = "the options as given";
    add(std::move(row), began);
    accepted_row_ = best_row_ = record_.rows.size() - 1;
  }

  Trial run_trial(QuantizeConfig config) {
    // Copies share their tensors, so every trial starts from the model as it was loaded.
    StageClock clock;
    QuantizedModel quantized = quantize_in_memory(config, model_, data_, clock, quiet_, &shared_);
    return {std::move(config), std::move(quantized)};
  }

  // ---- measuring -----------------------------------------------------------------------------------------------------

  void judge(const Trial& trial, SearchRow& row) const {
    OutputFigures figures = judge_.figures(trial.quantized.model.state, trial.quantized.profile.cost);
    row.precision = precision_name(trial.config);
    row.proxy_db = figures.noise_db;
    row.blocks = std::move(figures.blocks);
    row.expected_drop = figures.expected_drop;
    row.cost = figures.cost;
    row.converts = figures.converts;
    row.wide = figures.wide;
  }

  void measure_metric(const Trial& trial, SearchRow& row) {
    if (!metric_) return;
    row.metric = metric_->measure(trial.quantized.model.state);
    row.drop = 100.0 * (*record_.float_metric - *row.metric);
  }

  [[nodiscard]] double drop_of(const SearchRow& row) const { return row.drop.value_or(row.expected_drop); }
  [[nodiscard]] bool meets(const SearchRow& row) const { return drop_of(row) <= record_.target_drop && within_cost(row); }
  [[nodiscard]] bool within_cost(const SearchRow& row) const { return !record_.target_cost || row.cost <= *record_.target_cost; }
  [[nodiscard]] bool met() const { return meets(record_.rows[best_row_]); }
  // An estimate that just meets the target is no reason to leave out what costs no speed.
  [[nodiscard]] bool surely_met() const {
    const SearchRow& best = record_.rows[best_row_];
    return met() && (best.drop || kUncertainty * best.expected_drop <= record_.target_drop);
  }

  // ---- steps -----------------------------------------------------------------------------------------------------------

  // There may be time for one of the two only.
  void order_by_noise(std::vector<SearchStep>& steps, size_t next) const {
    if (next + 1 >= steps.size() || steps[next].against != NoiseSource::kActivations || steps[next + 1].against != NoiseSource::kWeights) return;
    if (weight_share() > 0.5) std::swap(steps[next], steps[next + 1]);
  }

  // Of the noise power of the recipe so far.
  [[nodiscard]] double weight_share() const {
    const QuantizedModel& quantized = accepted_->quantized;
    model::ModelState only = quantized.model.state;
    std::erase_if(only.encodings, [&](const auto& entry) { return !only.graph.is_constant(entry.first); });
    return std::pow(10.0, (*record_.rows[accepted_row_].proxy_db - judge_.figures(only, quantized.profile.cost).noise_db) / 10.0);
  }

  void attempt(const SearchStep& step) {
    if (step.costly && !record_.target_given && !record_.target_cost) return;
    const auto proposed = step.propose(accepted_->config);
    if (!proposed) return;
    SearchRow row{.step = step.name};
    if (!affordable(step, row)) return;
    reporter_.info(format("auto: {}", step.name));
    const auto began = Clock::now();
    Trial trial = run_trial(*proposed);
    const bool rerun = step.settle && step.settle(trial.config, trial.quantized);
    if (same_recipe(trial.config, accepted_->config)) {
      nothing_to_do(std::move(row), began);
      return;
    }
    double run_seconds = seconds_since(began);
    if (rerun) {
      const auto again = Clock::now();
      trial = run_trial(trial.config);
      run_seconds = seconds_since(again);
    }
    judge(trial, row);
    // A run that searched is slower than one by its findings.
    decide(std::move(trial), std::move(row), began, step.settle && !rerun ? run_seconds_ : run_seconds, step.costly);
  }

  void nothing_to_do(SearchRow row, Clock::time_point began) {
    row.decision = "nothing to do";
    row.reason = "gives what was there already";
    add(std::move(row), began);
  }

  void decide(Trial trial, SearchRow row, Clock::time_point began, double run_seconds, bool costly) {
    const SearchRow& before = record_.rows[accepted_row_];
    if (*row.proxy_db == *before.proxy_db && row.cost == before.cost) {
      nothing_to_do({.step = row.step}, began);
      return;
    }
    const std::string change = format("{:.2f} -> {:.2f} dB", *before.proxy_db, *row.proxy_db);
    const bool better = *row.proxy_db >= *before.proxy_db + kLeastGainDb;
    if (!better || !within_cost(row)) {
      row.decision = "rolled back";
      row.reason = better ? format("{}, but a relative cost of {:.3f} is above {:.3f}", change, row.cost, *record_.target_cost) : change;
      add(std::move(row), began);
      return;
    }
    measure_metric(trial, row);
    // What pays with speed must gain for certain, or reach the target.
    const double slack = costly ? -kMetricSlack : kMetricSlack;
    if (row.drop && !meets(row) && *row.drop > *before.drop + slack) {
      row.decision = "rolled back";
      row.reason = format("{}, but {} goes from {:.2f} to {:.2f}", change, record_.metric, 100.0 * *before.metric, 100.0 * *row.metric);
      add(std::move(row), began);
      return;
    }
    row.decision = "kept";
    row.reason = change + stage_decisions(trial.quantized);
    add(std::move(row), began);
    run_seconds_ = run_seconds;
    accepted_row_ = record_.rows.size() - 1;
    const SearchRow &now = record_.rows.back(), &best = record_.rows[best_row_];
    // The metric may fall a little: the search goes on from here, but the best one is not lost.
    const bool improves = drop_of(now) <= drop_of(best) || !within_cost(best);
    if (!improves && !best_) best_ = std::move(accepted_);
    if (improves) {
      best_.reset();
      best_row_ = accepted_row_;
    }
    accepted_.emplace(std::move(trial));
  }

  // Less than 8 bits everywhere is asked for, and the target is met: 4-bit weights may meet both.
  void attempt_narrow_weights() {
    if (config_.search.target_cost.value_or(1.0) >= 1.0) return;
    const Trial& best = best_so_far();
    const auto limits = best.quantized.profile.op_limits.find("Conv");
    const bool known = limits != best.quantized.profile.op_limits.end() && std::ranges::count(limits->second.weight_bits, 4) > 0;
    if (!known || config_.weights_bitwidth || best.quantized.profile.weight_bits <= 4) return;
    SearchRow row{.step = "4-bit weights"};
    if (!affordable({.name = row.step, .extra = 0.0}, row)) return;
    const auto began = Clock::now();
    QuantizeConfig config = best.config;
    config.weights_bitwidth = 4;
    Trial trial = run_trial(config);
    judge(trial, row);
    // The labels are asked only when the estimate is not hopeless.
    if (row.expected_drop <= 10.0 * record_.target_drop) measure_metric(trial, row);
    const bool keep = meets(row) && row.cost < record_.rows[best_row_].cost;
    row.decision = keep ? "kept" : "rolled back";
    row.reason = keep ? "cheaper, and meets the target too" : "misses the target";
    add(std::move(row), began);
    if (!keep) return;
    accepted_.emplace(std::move(trial));
    best_.reset();
    accepted_row_ = best_row_ = record_.rows.size() - 1;
  }

  [[nodiscard]] Trial& best_so_far() { return best_ ? *best_ : *accepted_; }

  static bool same_recipe(const QuantizeConfig& a, const QuantizeConfig& b) { return recipe_json(recipe_of(a, "")) == recipe_json(recipe_of(b, "")); }

  static std::string stage_decisions(const QuantizedModel& quantized) {
    std::string text;
    for (const optimize::StageRow& row : quantized.optimized.rows) {
      if (row.decision == "start" || row.decision == "nothing to do") continue;
      text += format("{}{} {}", text.empty() ? "; " : ", ", row.stage, row.decision);
    }
    return text;
  }

  // ---- time ------------------------------------------------------------------------------------------------------------

  // Before a step: whether what it takes, judged by the runs so far, is left of the budget.
  bool affordable(const SearchStep& step, SearchRow& row) {
    row.estimated_seconds = run_seconds_ + step.extra * plain_seconds_ + (metric_ ? metric_->seconds() : 0.0);
    if (!record_.time_budget) return true;
    const double left = *record_.time_budget - seconds_since(began_) - kReserve * plain_seconds_;
    if (row.estimated_seconds <= left) return true;
    row.decision = "skipped";
    row.reason = format("takes about {}, {} left of the budget", duration_text(row.estimated_seconds), left > 0.0 ? duration_text(left) : "nothing");
    record_.cut_by_budget = true;
    record_.rows.push_back(std::move(row));
    return false;
  }

  void add(SearchRow row, Clock::time_point began) {
    row.seconds = seconds_since(began);
    record_.rows.push_back(std::move(row));
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  void finish() {
    record_.best = best_row_;
    const SearchRow& best = record_.rows[best_row_];
    record_.target_met = meets(best);
    record_.measured = best.drop.has_value();
    for (SearchRow& row : record_.rows) {
      row.pareto = row.proxy_db && std::ranges::none_of(record_.rows, [&](const SearchRow& other) {
        if (!other.proxy_db || &other == &row) return false;
        const bool as_good = drop_of(other) <= drop_of(row) && other.cost <= row.cost;
        return as_good && (drop_of(other) < drop_of(row) || other.cost < row.cost);
      });
    }
    record_.verdict = verdict(best);
    record_.seconds = seconds_since(began_);
    if (!record_.target_met) reporter_.warning(record_.verdict);
    else reporter_.info(record_.verdict);
  }

  [[nodiscard]] std::string verdict(const SearchRow& best) const {
    const std::string figure = best.drop ? format("{} {:.2f}, {:.2f} points below FP32", record_.metric, 100.0 * *best.metric, *best.drop)
                                         : format("about {:.2f} points below FP32 expected ({:.1f} dB on samples kept aside)", best.expected_drop, *best.proxy_db);
    const std::string target = format("the {} of {} points{}", record_.target_given ? "target" : "default target", record_.target_drop,
                                      record_.target_cost ? format(" at a relative cost of at most {}", *record_.target_cost) : std::string());
    if (record_.target_met && best_row_ == 0) {
      return format("plain quantization meets {} already: {}; {}", target, figure, record_.rows.size() == 1 ? "nothing else was tried" : "nothing tried is better");
    }
    if (record_.target_met) return format("'{}' meets {}: {}, relative cost {:.3f}", best.step, target, figure, best.cost);
    return format("{} is not reached; the best is '{}': {}, relative cost {:.3f}{}", target, best.step, figure, best.cost,
                  record_.cut_by_budget ? "; steps were skipped for want of time" : "");
  }

  static constexpr double kReserve = 0.5;  // plain runs, for writing the files

  const QuantizeConfig& config_;
  const LoadedModel& model_;
  const CalibrationData& data_;
  Reporter& reporter_;
  QuietTrial quiet_;
  SharedWork shared_;  // steps have most of their calibration in common
  Clock::time_point began_ = Clock::now();
  HeldOutJudge judge_;
  std::optional<LabelledMetric> metric_;
  std::optional<Trial> accepted_;                // what the next step starts from
  std::optional<Trial> best_;                    // by the metric, where that is an earlier one
  size_t accepted_row_ = 0, best_row_ = 0;
  double plain_seconds_ = 0.0, run_seconds_ = 0.0;
  SearchRecord record_;
};

}  // namespace

QuantizedModel search_recipe(const QuantizeConfig& config, const LoadedModel& model, const CalibrationData& data, StageClock& clock,
                             Reporter& reporter) {
  QuantizedModel result = RecipeSearch(config, model, data, reporter).run();
  clock.mark("calibrate");
  clock.mark("encodings");
  return result;
}

}  // namespace qtool::pipeline
