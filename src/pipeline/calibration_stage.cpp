#include "calibration_stage.h"

#include <algorithm>
#include <limits>

#include "qtool/data/subset_source.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "shared_work.h"

namespace qtool::pipeline {

namespace {

constexpr int64_t kMostHeldOut = 32;
constexpr double kQuickWork = 4e11;  // multiplications of `best` to choose some ranges one by one; `auto` has more

void sort_by_cost(std::vector<MethodScore>& scores) {
  std::stable_sort(scores.begin(), scores.end(), [](const MethodScore& a, const MethodScore& b) { return a.cost < b.cost; });
}

class Stage {
 public:
  Stage(const QuantizeConfig& config, const model::ModelState& state, const data::SampleSource& source, SharedWork* shared, Reporter& reporter)
      : config_(config), state_(state), source_(source), shared_(shared), reporter_(reporter), observed_(passes::observed_values(state)),
        automatic_(config.method_of_activations() == "auto"), best_(config.method_of_activations() == "best") {
    method_ = &calib::builtin_registry().at(config.method_of_activations());
  }

  CalibrationStage run() {
    if (!automatic_ && !best_ && !config_.compare_calibration) {
      result_.statistics = calibrate(source_);
      return std::move(result_);
    }
    const data::HeldOutSplit split = data::split_held_out(source_.size(), kMostHeldOut);
    held_out_ = data::subset_of(source_, split.held_out);
    if (split.held_out == split.kept) {
      reporter_.warning(format("{} calibration samples are too few to keep some aside: ranges are judged on the samples they were made from", split.kept.size()));
    }
    result_.statistics = calibrate(*data::subset_of(source_, split.kept));
    compare();
    if (!automatic_ && !best_ && split.held_out != split.kept) add_held_out_statistics();
    return std::move(result_);
  }

 private:
  calib::CalibrationResult calibrate(const data::SampleSource& source) {
    const calib::CalibrationOptions options{.threads = config_.threads, .histograms = needs_histograms(config_)};
    return pipeline::calibrate(shared_, state_.graph, observed_, source, options, reporter_);
  }

  void compare() {
    const optimize::SimulationNoise simulation(state_.graph, *held_out_, optimize::affordable_simulations(state_.graph), config_.threads);
    const MethodTrial trial{state_, result_.statistics.statistics, calib::builtin_registry().at(config_.weight_method), simulation, config_.threads};
    MethodComparison comparison{.samples = simulation.samples()};
    to_simulate_ = static_cast<int64_t>((automatic_ || best_ ? usual_methods().size() + 1 : 0) +
                                        (config_.compare_calibration ? all_methods(config_.percentile).size() : 0));
    if (automatic_ || best_) choose(trial, comparison);
    if (config_.compare_calibration) {
      const std::vector<MethodVariant> methods = all_methods(config_.percentile);
      for (MethodScore& score : trial.score_each(methods)) add_score(std::move(score), comparison);
      tabulate(methods, comparison);
    }
    sort_by_cost(comparison.scores);
    result_.comparison = std::move(comparison);
  }

  void add_score(MethodScore score, MethodComparison& comparison) {
    comparison.scores.push_back(std::move(score));
    reporter_.progress("simulate methods", static_cast<int64_t>(comparison.scores.size()), to_simulate_);
  }

  // The best single method, with outputs and the like at min-max; ranges chosen one by one if they are better together too.
  void choose(const MethodTrial& trial, MethodComparison& comparison) {
    const passes::ChosenRanges decisions = optimize::decision_ranges(state_, result_.statistics.statistics);
    const std::vector<MethodVariant> methods = usual_methods();
    std::vector<passes::ChosenRanges> ranges;
    for (const MethodVariant& method : methods) ranges.push_back(ranges_of(method, decisions));
    passes::ChosenRanges at_hand;
    double least = std::numeric_limits<double>::infinity();
    std::vector<MethodScore> scores = trial.score_each(methods, ranges);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (at_hand.empty() || scores[i].cost < least) {
        at_hand = std::move(ranges[i]);
        least = scores[i].cost;
      }
      scores[i].label += ", outputs min-max";
      add_score(std::move(scores[i]), comparison);
    }
    MethodScore own = refine(trial, at_hand);
    const bool better = own.cost < least;
    if (result_.choices.changed > 0) add_score(std::move(own), comparison);
    for (const auto& [id, range] : better ? with_choices(at_hand) : at_hand) result_.chosen[id] = {range.range, format("{}: {}", automatic_ ? "auto" : "best", range.source)};
  }

  // Other ranges for the tensors that make most of the noise.
  MethodScore refine(const MethodTrial& trial, const passes::ChosenRanges& at_hand) {
    optimize::RangeChoiceOptions options{.threads = config_.threads};
    if (best_) options.work = kQuickWork;
    result_.choices = optimize::choose_ranges(state_, result_.statistics.statistics, at_hand, *held_out_, options, reporter_);
    if (result_.choices.changed == 0) return {.label = {}, .cost = std::numeric_limits<double>::infinity()};
    return trial.score({automatic_ ? "auto" : "best, some tensors by their own", method_, {}}, with_choices(at_hand));
  }

  [[nodiscard]] passes::ChosenRanges with_choices(passes::ChosenRanges ranges) const {
    for (const auto& [id, range] : result_.choices.chosen) ranges[id] = range;
    return ranges;
  }

  // Of a single method, but for those prescribed.
  passes::ChosenRanges ranges_of(const MethodVariant& method, const passes::ChosenRanges& decisions) const {
    std::vector<std::pair<ir::ValueId, const calib::TensorStatistics*>> tensors;
    for (const auto& [id, statistics] : result_.statistics.statistics) {
      if (state_.plan.find(id) != nullptr && !statistics.empty() && !decisions.contains(id)) tensors.emplace_back(id, &statistics);
    }
    std::vector<quant::Range> found(tensors.size());
    parallel_for(static_cast<int64_t>(tensors.size()), config_.threads, [&](int64_t i, int) {
      const auto [id, statistics] = tensors[static_cast<size_t>(i)];
      found[static_cast<size_t>(i)] = method.method->range(*statistics, state_.plan.find(id)->spec, method.options);
    });
    passes::ChosenRanges ranges = decisions;
    for (size_t i = 0; i < tensors.size(); ++i) ranges[tensors[i].first] = {found[i], method.label};
    return ranges;
  }

  void tabulate(const std::vector<MethodVariant>& methods, MethodComparison& comparison) const {
    for (const auto& [id, statistics] : result_.statistics.statistics) {
      const model::TensorPlan* plan = state_.plan.find(id);
      if (plan == nullptr || statistics.empty()) continue;
      for (const MethodVariant& method : methods) {
        const quant::Range range = method.method->range(statistics, plan->spec, method.options);
        comparison.tensors[id].push_back({method.label, range, calib::expected_sqnr_db(statistics, plan->spec, range)});
      }
    }
  }

  void add_held_out_statistics() {
    const calib::CalibrationResult rest = calibrate(*held_out_);
    for (const auto& [id, statistics] : rest.statistics) result_.statistics.statistics[id].merge(statistics);
    result_.statistics.samples += rest.samples;
  }

  const QuantizeConfig& config_;
  const model::ModelState& state_;
  const data::SampleSource& source_;
  SharedWork* shared_;
  Reporter& reporter_;
  const calib::Method* method_ = nullptr;
  std::vector<ir::ValueId> observed_;
  bool automatic_, best_;
  int64_t to_simulate_ = 0;
  std::unique_ptr<data::SampleSource> held_out_;
  CalibrationStage result_;
};

}  // namespace

bool needs_histograms(const QuantizeConfig& config) {
  const bool protects_outputs = config.chooses_precision() || config.outputs_min_max;  // see optimize::decision_ranges
  return calib::builtin_registry().at(config.method_of_activations()).needs_histogram || protects_outputs || config.compare_calibration ||
         config.histograms || !config.html.empty();
}

CalibrationStage run_calibration(const QuantizeConfig& config, const model::ModelState& state, const data::SampleSource& source, SharedWork* shared, Reporter& reporter) {
  return Stage(config, state, source, shared, reporter).run();
}

}  // namespace qtool::pipeline
