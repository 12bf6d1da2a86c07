// Cross-layer equalization: channels are rescaled between layers so that per-tensor weight grids fit all of them.
// BEFORE   W1, b1 -> f -> W2         AFTER   W1[i] / s_i, b1[i] / s_i -> f -> W2[:, i] * s_i
// REQUIRES f(s x) = s f(x) for s > 0 by channel: ReLU, LeakyReLU, PReLU, pooling, resize, zero padding, flatten, sums and
//          concatenations of which every branch can be rescaled. A ReLU6 keeps its bound: channels that reach it keep their
//          scale, the others are scaled while they stay below it; where none reaches it the ReLU6 becomes a ReLU.
// SOURCE   Nagel et al. 2019, "Data-Free Quantization", section 4.1; bounds: own measurements (replacing ReLU6 costs a MobileNet
//          v1 12 points in float)
#include "qtool/optimize/registry.h"
#include "qtool/support/format.h"
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

std::optional<Attempt> attempt(const Candidate& start, const EqualizationOptions& options, std::string name) {
  Attempt tried{start, {}, std::move(name)};
  const ChannelSets sets = find_channel_sets(tried.candidate.state.graph);
  tried.plan = plan_equalization(tried.candidate.state.graph, sets, tried.candidate.statistics, options);
  if (tried.plan.sets == 0 && tried.plan.clips_to_relu.empty()) return std::nullopt;
  if (!rescale_channels(tried.candidate, sets, tried.plan)) return std::nullopt;
  return tried;
}

// The smallest margin below the bounds with which the float function holds on samples that set no bound.
std::optional<Attempt> attempt_with_margins(const Candidate& start, const StageContext& context, EqualizationOptions options, const std::string& name) {
  std::optional<Attempt> last;
  for (const auto& [margin, deviations] : {std::pair{0.1, 6.0}, {0.5, 10.0}, {1.5, 20.0}}) {
    options.clip_margin = margin;
    options.clip_deviations = deviations;
    last = attempt(start, options, name);
    if (!last) return std::nullopt;
    last->margin = margin;
    last->holds = context.float_difference(last->candidate.state.graph) <= kFloatTolerance;
    if (last->holds || last->plan.below_bound + static_cast<int64_t>(last->plan.clips_to_relu.size()) == 0) break;
  }
  return last;
}

std::vector<Attempt> attempts(const Candidate& start, const StageContext& context) {
  std::vector<Attempt> made;
  const auto add = [&](std::optional<Attempt> tried) {
    if (tried) made.push_back(std::move(*tried));
  };
  EqualizationOptions options{.branched = false, .keep_clips = context.relu6 == Relu6Policy::kKeep};
  if (context.relu6 != Relu6Policy::kReplace) {
    options.damped = false;
    add(attempt_with_margins(start, context, options, "equal ranges"));
    options.damped = true;
    auto damped = attempt_with_margins(start, context, options, "least noise");
    if (damped && damped->plan.damped > 0) add(std::move(damped));
    options.branched = true;
    auto all = attempt_with_margins(start, context, options, "least noise, sums and concatenations too");
    if (all && (made.empty() || all->plan.sets > made.front().plan.sets)) add(std::move(all));
  }
  const bool bounded = made.empty() || made.back().plan.at_bound > 0;
  if (context.relu6 == Relu6Policy::kReplace || (context.relu6 == Relu6Policy::kAuto && bounded)) {
    auto replaced = attempt(start, {.branched = false, .replace_clips = true}, "least noise, ReLU6 replaced by ReLU");
    // A float model that has moved far cannot win; simulating it would be a waste.
    const bool hopeless = context.relu6 == Relu6Policy::kAuto && replaced && context.float_difference(replaced->candidate.state.graph) > kHopeless;
    if (replaced && !hopeless && !replaced->plan.clips_to_relu.empty()) add(std::move(replaced));
  }
  return made;
}

StageOutcome outcome_of(const Attempt& chosen) {
  const EqualizationPlan& plan = chosen.plan;
  StageOutcome outcome{.changes = plan.sets + static_cast<int64_t>(plan.clips_to_relu.size())};
  outcome.counts = {{"sets", plan.sets}, {"channels free", plan.free_channels}, {"channels below their bound", plan.below_bound},
                    {"channels that reach it", plan.at_bound}, {"sets damped", plan.damped}, {"channels too small", plan.dead},
                    {"bounds dropped", static_cast<int64_t>(plan.clips_to_relu.size())}};
  outcome.notes.push_back(format("{}; {} rounds, factors up to {:.1f}{}", chosen.name, plan.rounds, plan.largest_factor,
                                 plan.below_bound > 0 ? format(", margin below bounds {:.0f} %", 100.0 * chosen.margin) : ""));
  return outcome;
}

StageOutcome apply(Candidate& candidate, const StageContext& context) {
  std::vector<Attempt> made = attempts(candidate, context);
  if (made.empty()) return {};
  size_t best = 0;
  std::optional<double> best_score;
  std::vector<std::string> compared;
  for (size_t i = 0; i < made.size() && (made.size() > 1); ++i) {
    const bool exact = made[i].holds || context.relu6 == Relu6Policy::kReplace;
    const auto score = context.score(made[i].candidate);
    if (!score) break;
    compared.push_back(format("{}: {:.2f} dB", made[i].name, score->sqnr_db));
    // A changed float function must pay for itself: it is judged on a few samples only.
    const double needed = exact ? 0.0 : 0.5;
    if (best_score && score->sqnr_db <= *best_score + needed) continue;
    best_score = score->sqnr_db;
    best = i;
  }
  StageOutcome outcome = outcome_of(made[best]);
  if (compared.size() > 1) outcome.notes.push_back(format("compared {}", join(compared, ", ")));
  outcome.changes_function = made[best].name.ends_with("replaced by ReLU");
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
