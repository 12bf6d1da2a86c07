// Cross-layer equalization: channels are rescaled between layers so that per-tensor weight grids fit all of them.
// BEFORE   W1, b1 -> f -> W2         AFTER   W1[i] / s_i, b1[i] / s_i -> f -> W2[:, i] * s_i
// REQUIRES f(s x) = s f(x) for s > 0 by channel: ReLU, LeakyReLU, PReLU, pooling, resize, zero padding, flatten, sums and
//          concatenations of which every branch can be rescaled. A ReLU6 keeps its bound: channels that reach it keep their
//          scale, the others are scaled while they stay below it; where none reaches it the ReLU6 becomes a ReLU. Another attempt
//          moves bounds that are rarely reached (noise_equalization.h), and must gain 0.5 dB for it.
// SOURCE   Nagel et al. 2019, "Data-Free Quantization", section 4.1; bounds: own measurements (replacing ReLU6 costs a MobileNet
//          v1 12 points in float)
#include <algorithm>

#include "noise_equalization.h"
#include "qtool/optimize/registry.h"
#include "qtool/rounding/channel_sensitivity.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "rescale.h"

namespace qtool::optimize {

namespace {

constexpr double kHopeless = 0.05;

struct Attempt {
  Candidate candidate;
  EqualizationPlan plan;
  std::string name;
  double margin = 0.0;
  bool holds = false;   // the float function
};

struct Margin {
  double share, deviations;
};
constexpr Margin kMargins[] = {{0.1, 6.0}, {0.5, 10.0}, {1.5, 20.0}};

// Tries variants of the options. Below the bounds of ReLU6 it keeps the smallest margin with which the float function holds on
// samples that set no bound; later variants begin there.
class Attempts {
 public:
  Attempts(const Candidate& start, const StageContext& context)
      : start_(start), context_(context), sets_(find_channel_sets(start.state.graph)) {}

  std::vector<Attempt> run() {
    const bool branched = std::any_of(sets_.sets.begin(), sets_.sets.end(), [](const ChannelSet& set) { return set.branched; });
    EqualizationOptions options{.branched = false, .keep_clips = context_.relu6 == Relu6Policy::kKeep, .damped = false};
    if (context_.relu6 != Relu6Policy::kReplace) {
      exact(options, "equal ranges", plan(options, "equal ranges"));
      damped(options, branched);
      if (may_move_bounds() && mostly_bound()) least_noise();
    }
    if (context_.relu6 != Relu6Policy::kKeep && (made_.empty() || made_.back().plan.at_bound > 0)) replaced();
    return std::move(made_);
  }

 private:
  std::optional<Attempt> plan(EqualizationOptions options, std::string name) const {
    options.clip_margin = kMargins[margin_].share;
    options.clip_deviations = kMargins[margin_].deviations;
    Attempt tried{start_, {}, std::move(name), options.clip_margin};
    tried.plan = plan_equalization(start_.state.graph, sets_, start_.statistics, options);
    if (tried.plan.sets == 0 && tried.plan.clips_to_relu.empty()) return std::nullopt;
    if (!rescale_channels(tried.candidate, sets_, tried.plan)) return std::nullopt;
    return tried;
  }

  void finish(Attempt tried) {
    tried.holds = context_.float_difference(tried.candidate.state.graph) <= kFloatTolerance;
    made_.push_back(std::move(tried));
  }

  // `tried`: planned with the margin at hand.
  void exact(const EqualizationOptions& options, const std::string& name, std::optional<Attempt> tried) {
    while (tried) {
      tried->holds = context_.float_difference(tried->candidate.state.graph) <= kFloatTolerance;
      const bool bounded = tried->plan.below_bound > 0 || !tried->plan.clips_to_relu.empty();
      if (tried->holds || !bounded || margin_ + 1 == std::size(kMargins)) {
        made_.push_back(std::move(*tried));
        return;
      }
      ++margin_;
      tried = plan(options, name);
    }
  }

  // Without and, if `branched`, with the sets that branch: planned side by side, since plans are serial work.
  void damped(EqualizationOptions options, bool branched) {
    static constexpr const char* kNames[] = {"least noise", "least noise, sums and concatenations too"};
    options.damped = true;
    EqualizationOptions of[] = {options, options};
    of[1].branched = true;
    std::optional<Attempt> planned[2];
    parallel_for(branched ? 2 : 1, context_.threads, [&](int64_t i, int) { planned[i] = plan(of[i], kNames[i]); });
    if (planned[0] && planned[0]->plan.damped > 0) finish(std::move(*planned[0]));
    exact(of[1], kNames[1], std::move(planned[1]));
  }

  // The noise is that of 8-bit weights, one grid a tensor. Optimised rounding makes it too small to pay for a changed function, and
  // equalization alone, without a correction behind it, is promised to keep the function.
  bool may_move_bounds() const {
    const bool grids = context_.profile.weight_bits == 8 && !context_.profile.per_channel;
    return grids && !sets_.sets.empty() && context_.fitting != nullptr && context_.correction_follows && !context_.rounding_follows && context_.relu6 == Relu6Policy::kAuto;
  }

  // Whether keeping the function leaves most channels as they are: else there is little to gain for much work.
  bool mostly_bound() const {
    if (made_.empty()) return true;
    const EqualizationPlan& exact = made_.back().plan;
    return exact.at_bound > exact.free_channels + exact.below_bound;
  }

  void least_noise() {
    const ir::Graph& graph = start_.state.graph;
    const std::vector<ir::NodeId> clips = movable_bounds(graph, sets_);
    std::vector<ir::ValueId> values;
    for (const Layer& layer : sets_.layers) values.push_back(layer.output);
    for (const ir::NodeId id : clips) values.push_back(graph.node(id).outputs[0]);
    const auto sensitivity = rounding::channel_sensitivity(graph, values, *context_.fitting, {.threads = context_.threads});
    if (sensitivity.empty()) return;
    BoundTails tails;
    if (!clips.empty()) tails = observe_bound_tails(graph, clips, *context_.fitting, context_.threads);
    auto plan = plan_least_noise(graph, sets_, {start_.statistics, tails, sensitivity, context_.threads});
    if (!plan) return;
    Attempt tried{start_, std::move(*plan), "least noise at the outputs"};
    if (rescale_channels(tried.candidate, sets_, tried.plan)) finish(std::move(tried));
  }

  void replaced() {
    auto tried = plan({.branched = false, .replace_clips = true}, "least noise, ReLU6 replaced by ReLU");
    if (!tried || tried->plan.clips_to_relu.empty()) return;
    // A float model that has moved far cannot win; simulating it would be a waste.
    if (context_.relu6 == Relu6Policy::kAuto && context_.float_difference(tried->candidate.state.graph) > kHopeless) return;
    made_.push_back(std::move(*tried));
  }

  const Candidate& start_;
  const StageContext& context_;
  ChannelSets sets_;
  size_t margin_ = 0;
  std::vector<Attempt> made_;
};

// The function may change where bounds are moved or given up, there the score decides.
bool may_change_function(const Attempt& attempt) { return attempt.plan.moved_bounds > 0 || attempt.name.ends_with("replaced by ReLU"); }

// An attempt that should have kept the float function and has not will be rolled back: it is not worth a simulation beside others.
void drop_hopeless(std::vector<Attempt>& made) {
  const auto usable = [](const Attempt& attempt) { return attempt.holds || may_change_function(attempt); };
  if (std::any_of(made.begin(), made.end(), usable)) std::erase_if(made, [&](const Attempt& attempt) { return !usable(attempt); });
}

StageOutcome outcome_of(const Attempt& chosen) {
  const EqualizationPlan& plan = chosen.plan;
  StageOutcome outcome{.changes = plan.sets + static_cast<int64_t>(plan.clips_to_relu.size())};
  outcome.counts = {{"sets", plan.sets}, {"channels free", plan.free_channels}, {"channels below their bound", plan.below_bound},
                    {"channels that reach it", plan.at_bound}, {"sets damped", plan.damped}, {"channels too small", plan.dead},
                    {"bounds dropped", static_cast<int64_t>(plan.clips_to_relu.size())},
                    {"bounds moved", plan.moved_bounds}};
  outcome.notes.push_back(format("{}; {} rounds, factors up to {:.1f}{}", chosen.name, plan.rounds, plan.largest_factor,
                                 plan.below_bound > 0 ? format(", margin below bounds {:.0f} %", 100.0 * chosen.margin) : ""));
  return outcome;
}

std::vector<Score> scores_of(const std::vector<Attempt>& made, const StageContext& context) {
  std::vector<const Candidate*> candidates;
  for (const Attempt& attempt : made) candidates.push_back(&attempt.candidate);
  return context.scores(candidates);
}

StageOutcome apply(Candidate& candidate, const StageContext& context) {
  std::vector<Attempt> made = Attempts(candidate, context).run();
  if (made.empty()) return {};
  size_t best = 0;
  std::optional<Score> best_score;
  std::vector<std::string> compared;
  drop_hopeless(made);
  const std::vector<Score> scores = made.size() > 1 ? scores_of(made, context) : std::vector<Score>{};
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool exact = made[i].holds || context.relu6 == Relu6Policy::kReplace;
    compared.push_back(format("{}: {:.2f} dB", made[i].name, scores[i].sqnr_db));
    const double needed = exact ? 0.0 : kGainOfAnotherFunction;
    if (best_score && scores[i].sqnr_db <= best_score->sqnr_db + needed) continue;
    best_score = scores[i];
    best = i;
  }
  StageOutcome outcome = outcome_of(made[best]);
  if (compared.size() > 1) outcome.notes.push_back(format("compared {}", join(compared, ", ")));
  outcome.score = best_score;
  outcome.changes_function = may_change_function(made[best]);
  candidate = std::move(made[best].candidate);
  return outcome;
}

}  // namespace

void register_cle(Registry& registry) {
  registry.add({.name = "cle",
                .summary = "cross-layer equalization: rescales channels between layers, ReLU6 bounds respected; brings hba along",
                .order = 20,
                .kind = StageKind::kPreserving,
                .apply = apply});
}

}  // namespace qtool::optimize
