#include "qtool/optimize/optimize.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "data_free.h"
#include "judge.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "samples.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kSampleBudget = int64_t{128} << 20;  // bytes of decoded samples kept for repeated use

using Clock = std::chrono::steady_clock;

int64_t output_bytes(const ir::Graph& graph) {
  int64_t bytes = 0;
  for (const ir::ValueId id : graph.outputs) {
    if (graph.value(id).type) bytes += graph.value(id).type->shape.element_count() * 4;
  }
  return bytes;
}

class Optimizer {
 public:
  Optimizer(model::ModelState& state, const Quantizer& quantizer, const data::SampleSource* samples,
            const model::TargetProfile& profile, const OptimizeOptions& options, Reporter& reporter)
      : state_(state), quantizer_(quantizer), profile_(profile), options_(options), reporter_(reporter), samples_(samples),
        stages_(builtin_registry().resolve(options.stages)) {}

  OptimizeResult run() {
    if (stages_.empty()) {
      Candidate only{state_, {}};
      encode_on_everything(only);
      state_ = std::move(only.state);
      return std::move(result_);
    }
    prepare();
    Candidate current{state_, gather()};
    add_row(start_row(current));
    for (const Stage* stage : stages_) {
      if (stage->kind == StageKind::kPreserving) run_preserving(*stage, current);
    }
    encode_on_everything(current);
    std::optional<Score> before;
    for (const Stage* stage : stages_) {
      if (stage->kind != StageKind::kCorrecting) continue;
      if (!before) before = simulate(current);
      run_correcting(*stage, current, before);
    }
    state_ = std::move(current.state);
    return std::move(result_);
  }

 private:
  void prepare() {
    if (samples_ == nullptr) {
      held_out_ = synthetic_samples(state_.graph, options_.inputs);
    } else {
      const SampleSplit split = split_samples(samples_->size(), output_bytes(state_.graph));
      held_out_ = pick_samples(*samples_, split.held_out, kSampleBudget);
      quick_ = pick_samples(*samples_, split.quick, kSampleBudget);
      rest_ = pick_samples(*samples_, split.rest, 0);
      result_.held_out = held_out_->size();
    }
    judge_ = std::make_unique<Judge>(state_.graph, *held_out_, options_.threads);
  }

  Statistics gather() {
    if (samples_ == nullptr) return statistics_without_samples(state_, options_.inputs);
    if (quantizer_.collect) return quantizer_.collect(state_.graph, *rest_);
    return collect_statistics(state_.graph, *rest_, options_.threads, reporter_);
  }

  // ---- measuring ---------------------------------------------------------------------------------------------------

  // Plan, ranges from a few samples, encodings.
  calib::CalibrationResult encode_quickly(Candidate& candidate) const {
    quantizer_.plan(candidate.state);
    calib::CalibrationResult calibration = quantizer_.calibrate(candidate.state, *quick_);
    quantizer_.encode(candidate.state, calibration);
    return calibration;
  }

  std::optional<Score> simulate(const Candidate& candidate) const {
    if (samples_ == nullptr) return std::nullopt;
    return judge_->score(candidate.state);
  }

  [[nodiscard]] bool has_previews() const {
    return std::ranges::any_of(stages_, [](const Stage* stage) { return stage->preview; });
  }

  bool apply_previews(Candidate& candidate, const calib::CalibrationResult& calibration) const {
    bool any = false;
    for (const Stage* stage : stages_) {
      if (!stage->preview) continue;
      (void)stage->apply(candidate, context());
      any = true;
    }
    if (!any) return false;
    quantizer_.plan(candidate.state);  // parameters may be new
    quantizer_.encode(candidate.state, calibration);
    return true;
  }

  StageContext context() const {
    return {.profile = profile_, .relu6 = options_.relu6, .threads = options_.threads, .has_samples = samples_ != nullptr,
            .samples = samples_, .fitting = rest_.get(), .correction_follows = has_previews(), .rounding_follows = rounding_follows(), .adaround = options_.adaround,
            .float_difference = [this](const ir::Graph& graph) { return judge_->float_difference(graph); },
            .scores = [this](std::span<const Candidate* const> candidates) { return deciding_scores(candidates); },
            .reporter = reporter_};
  }

  bool rounding_follows() const {
    return std::any_of(stages_.begin(), stages_.end(), [](const Stage* stage) { return stage->rounds; });
  }

  // The score that counts: with those correcting stages that follow anyhow and cost next to nothing.
  std::vector<Score> deciding_scores(std::span<const Candidate* const> candidates) const {
    if (samples_ == nullptr) return {};
    std::vector<Candidate> tried;
    for (const Candidate* candidate : candidates) {
      Candidate& next = tried.emplace_back(*candidate);
      apply_previews(next, encode_quickly(next));
    }
    std::vector<const model::ModelState*> states;
    for (const Candidate& candidate : tried) states.push_back(&candidate.state);
    return judge_->score_each(states);
  }

  // ---- stages ------------------------------------------------------------------------------------------------------

  StageRow start_row(const Candidate& candidate) {
    const auto start = Clock::now();
    StageRow row{.stage = "start", .decision = "start", .reason = "batch norm folded, no stage applied"};
    score_both(candidate, row, deciding_);
    row.seconds = seconds_since(start);
    return row;
  }

  // row.score: of the candidate as it is; `deciding`: with previews. What the stage has measured itself is not measured again.
  void score_both(const Candidate& candidate, StageRow& row, std::optional<double>& deciding) const {
    if (samples_ == nullptr) return;
    const std::optional<Score>& known = row.outcome.score;
    if (known) deciding = known->sqnr_db;
    if (known && !has_previews()) {
      row.score = known;
      return;
    }
    Candidate tried = candidate;
    const calib::CalibrationResult calibration = encode_quickly(tried);
    if (known) {
      row.score = simulate(tried);
      return;
    }
    Candidate previewed = tried;
    std::vector<const model::ModelState*> states = {&tried.state};
    if (apply_previews(previewed, calibration)) states.push_back(&previewed.state);
    const std::vector<Score> scores = judge_->score_each(states);
    row.score = scores.front();
    deciding = scores.back().sqnr_db;
  }

  void run_preserving(const Stage& stage, Candidate& current) {
    const auto start = Clock::now();
    Candidate next = current;
    StageRow row{.stage = stage.name};
    row.outcome = stage.apply(next, context());
    if (row.outcome.changes == 0) {
      row.decision = "nothing to do";
      row.seconds = seconds_since(start);
      add_row(std::move(row));
      return;
    }
    std::optional<double> deciding;
    row.float_difference = judge_->float_difference(next.state.graph);
    const bool keeps_function = *row.float_difference <= kFloatTolerance || row.outcome.changes_function;
    if (keeps_function || options_.accept == Accept::kAlways) score_both(next, row, deciding);
    if (!keeps_function) decide(row, false, format("the float outputs move by {:.1e}, more than {:.0e}", *row.float_difference, kFloatTolerance));
    else decide_by_score(row, stage, deciding_, deciding);
    if (row.decision == "kept") {
      current = std::move(next);
      deciding_ = deciding;
    }
    row.seconds = seconds_since(start);
    add_row(std::move(row));
  }

  void encode_on_everything(Candidate& current) {
    quantizer_.plan(current.state);
    result_.calibration = samples_ != nullptr ? quantizer_.calibrate(current.state, *samples_)
                                              : ranges_without_samples(current.state, options_.inputs);
    quantizer_.encode(current.state, result_.calibration);
  }

  void run_correcting(const Stage& stage, Candidate& current, std::optional<Score>& before) {
    const auto start = Clock::now();
    Candidate next = current;
    StageRow row{.stage = stage.name};
    row.outcome = stage.apply(next, context());
    if (row.outcome.changes == 0) {
      row.decision = "nothing to do";
    } else {
      quantizer_.plan(next.state);  // parameters may be new
      quantizer_.encode(next.state, result_.calibration);
      row.score = simulate(next);
      const auto number = [](const std::optional<Score>& score) { return score ? std::optional(score->sqnr_db) : std::nullopt; };
      decide_by_score(row, stage, number(before), number(row.score));
      if (profile_.bias_bits < stage.least_bias_bits) warn_of_narrow_biases(stage, next, number(before), row);
      if (row.decision == "kept") {
        current = std::move(next);
        before = row.score;
      }
    }
    row.seconds = seconds_since(start);
    add_row(std::move(row));
  }

  void warn_of_narrow_biases(const Stage& stage, Candidate corrected, const std::optional<double>& before, StageRow& row) const {
    std::string measured;
    if (before && row.score) {
      std::erase_if(corrected.state.encodings, [&](const auto& entry) {
        const model::TensorPlan* plan = corrected.state.plan.find(entry.first);
        return plan != nullptr && plan->role == model::TensorRole::kBias;
      });
      measured = format("; measured: {:.2f} dB before, {:.2f} with {}-bit biases, {:.2f} with biases that are not rounded", *before,
                        row.score->sqnr_db, profile_.bias_bits, judge_->score(corrected.state).sqnr_db);
    }
    const std::string text = format("{} with {}-bit biases: the bias grid rounds the correction and may lower accuracy{}; use --bias_bitwidth 32",
                                    stage.name, profile_.bias_bits, measured);
    reporter_.warning(text);
    row.outcome.notes.push_back(text);
  }

  // ---- decisions ---------------------------------------------------------------------------------------------------

  void decide(StageRow& row, bool keep, std::string reason) const {
    if (!keep && options_.accept == Accept::kAlways) {
      keep = true;
      reason += "; kept on request (--accept always)";
    }
    row.decision = keep ? "kept" : "rolled back";
    row.reason = std::move(reason);
  }

  void decide_by_score(StageRow& row, const Stage& stage, const std::optional<double>& before, const std::optional<double>& after) const {
    if (!before || !after) {
      decide(row, true, "no samples to judge by");
      return;
    }
    const bool previewed = row.score && std::abs(row.score->sqnr_db - *after) > 1e-9;
    const std::string change = format("{:.2f} -> {:.2f} dB{}", *before, *after, previewed ? " with the bias correction that follows" : "");
    const double needed = row.outcome.changes_function ? std::max(stage.least_gain_db, kGainOfAnotherFunction) : stage.least_gain_db;
    decide(row, *after >= *before + needed, change);
  }

  void add_row(StageRow row) { result_.rows.push_back(std::move(row)); }
  static double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

  model::ModelState& state_;
  const Quantizer& quantizer_;
  const model::TargetProfile& profile_;
  const OptimizeOptions& options_;
  Reporter& reporter_;
  const data::SampleSource* samples_;
  std::vector<const Stage*> stages_;
  std::unique_ptr<data::SampleSource> held_out_, quick_, rest_;
  std::unique_ptr<Judge> judge_;
  std::optional<double> deciding_;  // score of what has been kept so far, previews included
  OptimizeResult result_;
};

}  // namespace

OptimizeResult optimize(model::ModelState& state, const Quantizer& quantizer, const data::SampleSource* samples,
                        const model::TargetProfile& profile, const OptimizeOptions& options, Reporter& reporter) {
  return Optimizer(state, quantizer, samples, profile, options, reporter).run();
}

}  // namespace qtool::optimize
