#include "qtool/optimize/choose_precision.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "float_joins.h"
#include "qtool/optimize/cost_model.h"
#include "qtool/optimize/simulation_noise.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "narrow_quantizers.h"
#include "quantizer_noise.h"
#include "tensor_traits.h"
#include "wide_selection.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kMostProbed = 16;  // samples for one quantizer at a time
constexpr double kFloatJoinCost = 0.005;  // beyond 16 bits; activations make more of a larger one

using ir::ValueId;
using Clock = std::chrono::steady_clock;

// Only what rounding the parameters does: the floor that wider activations cannot break.
model::ModelState parameters_only(const model::ModelState& state) {
  model::ModelState only = state;
  std::erase_if(only.encodings, [&](const auto& entry) { return !state.graph.is_constant(entry.first); });
  return only;
}

int64_t affordable_samples(const model::ModelState& state, const std::vector<NarrowQuantizer>& quantizers, const PrecisionOptions& options,
                           int64_t available) {
  double work = 1.0;
  for (const NarrowQuantizer& quantizer : quantizers) work += suffix_work(state.graph, quantizer.members.front());
  return std::clamp<int64_t>(static_cast<int64_t>(options.work / work), 1, std::min(available, kMostProbed));
}

class Search {
 public:
  Search(const std::vector<RangeMethod>& methods, const RangeOf& range, const data::SampleSource& held_out, const PrecisionOptions& options,
         Reporter& reporter)
      : methods_(methods), method_(&methods.front()), range_(range), held_out_(held_out), options_(options), reporter_(reporter) {}

  PrecisionResult run() {
    best_ = method_->requantize({});
    simulation_.emplace(best_.graph, held_out_, options_.samples, options_.threads);
    result_.samples = simulation_->samples();
    best_db_ = record("as planned", best_, true);
    widen_head();
    try_methods();
    if (!options_.head_only && best_db_ < options_.target_db) {
      const size_t of_head = result_.choices.size();
      const RangeMethod* before = method_;
      widen_activations();
      // Ranges judged among ruins say little: with the worst tensors wide another method may be better, and other tensors its worst.
      if (result_.choices.size() > of_head) try_methods();
      if (method_ != before) widen_again(of_head);
    }
    if (options_.float_joins) leave_joins_float();
    return std::move(result_);
  }

 private:
  void widen_head() {
    result_.head = analyze_head(best_.graph, range_);
    std::vector<PrecisionChoice> choices;
    for (const HeadFinding& finding : result_.head.findings) {
      const model::TensorPlan* plan = best_.plan.find(finding.value);
      if (plan == nullptr || plan->spec.bits > kNarrowBits) continue;
      choices.push_back({finding.value, options_.wide_bits, finding.text, 0.0});
    }
    try_choices("head", choices);
  }

  void widen_activations() {
    std::vector<NarrowQuantizer> quantizers = narrow_activations(best_);
    std::ranges::move(narrow_weights(best_, options_.wide_weight_operators), std::back_inserter(quantizers));
    if (quantizers.empty()) return;
    measure_alone(quantizers);
    // Predicted one by one, they may disappoint together: then the worst of them alone.
    for (std::vector<PrecisionChoice> choices = pick(quantizers); !choices.empty() && !try_choices("tensors", choices);) {
      choices.resize(choices.size() / 2);
    }
  }

  void widen_again(size_t of_head) {
    const std::vector<PrecisionChoice> choices = result_.choices;
    const std::vector<SensitivityRow> sensitivity = std::exchange(result_.sensitivity, {});
    model::ModelState best = std::move(best_);
    const double best_db = std::exchange(best_db_, -std::numeric_limits<double>::infinity());
    result_.choices.resize(of_head);
    best_ = method_->requantize(bits_with({}));
    widen_activations();
    const auto priced = [&](double db, size_t wide) { return db - options_.least_gain_db * static_cast<double>(wide); };
    if (priced(best_db_, result_.choices.size()) > priced(best_db, choices.size())) return;
    if (best_db_ > -std::numeric_limits<double>::infinity()) result_.steps.back().kept = false;
    result_.choices = choices;
    result_.sensitivity = sensitivity;
    best_ = std::move(best);
    best_db_ = best_db;
  }

  void measure_alone(std::vector<NarrowQuantizer>& quantizers) {
    const int64_t samples = affordable_samples(best_, quantizers, options_, held_out_.size());
    reporter_.info(format("sensitivity: {} quantizers one at a time on {} samples", quantizers.size(), samples));
    measure_noise(best_, quantizers, held_out_, samples, options_.threads);
    const auto& blocks = simulation_->measure().blocks();
    std::stable_sort(quantizers.begin(), quantizers.end(),
                     [&](const NarrowQuantizer& a, const NarrowQuantizer& b) { return a.noise.cost(blocks) > b.noise.cost(blocks); });
    for (const NarrowQuantizer& quantizer : quantizers) result_.sensitivity.push_back({quantizer.leader, cost_db(quantizer.noise.cost(blocks))});
  }

  std::vector<PrecisionChoice> pick(const std::vector<NarrowQuantizer>& quantizers) {
    const WideLimits limits{.bits = options_.wide_bits, .least_gain_db = options_.least_gain_db, .most_cost = options_.most_cost,
                            .target_db = options_.target_db, .rates = options_.rates};
    const auto& blocks = simulation_->measure().blocks();
    std::vector<PrecisionChoice> choices;
    for (const size_t i : select_wide(best_, quantizers, simulation_->of(parameters_only(best_)), blocks, limits)) {
      const double alone = cost_db(quantizers[i].noise.cost(blocks));
      const std::string_view what = quantizers[i].is_weight() ? "rounding this weight alone" : "its quantizer alone";
      choices.push_back({quantizers[i].leader, options_.wide_bits, format("{} leaves the outputs at {:.1f} dB", what, alone), alone});
    }
    return choices;
  }

  [[nodiscard]] TensorBits bits_with(const std::vector<PrecisionChoice>& more) const {
    TensorBits bits;
    for (const PrecisionChoice& choice : result_.choices) bits[choice.value] = choice.bits;
    for (const PrecisionChoice& choice : more) bits[choice.value] = choice.bits;
    return bits;
  }

  bool try_choices(const std::string& name, const std::vector<PrecisionChoice>& choices) {
    if (choices.empty()) return false;
    model::ModelState candidate = method_->requantize(bits_with(choices));
    const double db = record(name, candidate, false);
    if (!take_if_better(candidate, db)) return false;
    result_.choices.insert(result_.choices.end(), choices.begin(), choices.end());
    return true;
  }

  // What was recorded last.
  bool take_if_better(model::ModelState& candidate, double db) {
    if (!(db > best_db_)) return false;
    result_.steps.back().kept = true;
    best_ = std::move(candidate);
    best_db_ = db;
    return true;
  }

  // Instead of 16 bits. Half floats are as wide; what is dearer is converting the parts.
  void leave_joins_float() {
    const std::vector<FloatJoin> joins = joins_for_float(best_.graph, result_.head, options_.wide_bits);
    if (joins.empty()) return;
    std::vector<PrecisionChoice> choices = result_.choices;
    for (const FloatJoin& join : joins) {
      std::erase_if(choices, [&](const PrecisionChoice& choice) { return choice.value == join.value; });
      choices.push_back({join.value, kFloatBits, join.reason, 0.0});
    }
    const std::vector<PrecisionChoice> before = std::exchange(result_.choices, std::move(choices));
    const double most_cost = std::min(options_.most_cost, relative_cost(best_, options_.rates) + kFloatJoinCost);
    model::ModelState candidate = method_->requantize(bits_with({}));
    const double db = record("joined outputs in float", candidate, false);
    if (result_.steps.back().cost > most_cost || !take_if_better(candidate, db)) result_.choices = before;
  }

  void try_methods() {
    std::vector<const RangeMethod*> others;
    for (const RangeMethod& method : methods_) {
      if (&method != method_) others.push_back(&method);
    }
    std::vector<model::ModelState> candidates(others.size());
    parallel_for(static_cast<int64_t>(others.size()), options_.threads, [&](int64_t i, int) {
      candidates[static_cast<size_t>(i)] = others[static_cast<size_t>(i)]->requantize(bits_with({}));
    });
    const std::vector<OutputNoise> noise = simulation_->of_each(candidates);
    for (size_t i = 0; i < others.size(); ++i) {
      const double db = record(format("ranges by {}", others[i]->name), candidates[i], noise[i], false);
      if (take_if_better(candidates[i], db)) method_ = others[i];
    }
  }

  double record(const std::string& name, const model::ModelState& state, bool kept) { return record(name, state, simulation_->of(state), kept); }

  double record(const std::string& name, const model::ModelState& state, const OutputNoise& noise, bool kept) {
    const auto& blocks = simulation_->measure().blocks();
    PrecisionStep step{.name = name, .score_db = cost_db(noise.cost(blocks)), .cost = relative_cost(state, options_.rates),
                       .wide = wide_tensors(state), .kept = kept};
    for (size_t b = 0; b < blocks.size(); ++b) step.blocks.emplace_back(blocks[b].name, noise.sqnr_db(b));
    step.seconds = std::chrono::duration<double>(Clock::now() - std::exchange(last_step_, Clock::now())).count();
    result_.steps.push_back(std::move(step));
    return result_.steps.back().score_db;
  }

  const std::vector<RangeMethod>& methods_;
  const RangeMethod* method_;
  const RangeOf& range_;
  const data::SampleSource& held_out_;
  PrecisionOptions options_;
  Reporter& reporter_;
  std::optional<SimulationNoise> simulation_;
  model::ModelState best_;
  double best_db_ = 0.0;
  Clock::time_point last_step_ = Clock::now();
  PrecisionResult result_;
};

}  // namespace

PrecisionResult choose_precision(const std::vector<RangeMethod>& methods, const RangeOf& range, const data::SampleSource& held_out,
                                 const PrecisionOptions& options, Reporter& reporter) {
  QTOOL_CHECK(!methods.empty());
  return Search(methods, range, held_out, options, reporter).run();
}

}  // namespace qtool::optimize
