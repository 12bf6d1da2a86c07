// Cross-layer equalization: factors by channel class that bring the weight ranges of writers and readers together.
#pragma once

#include <vector>

#include "channel_sets.h"
#include "qtool/optimize/statistics.h"

namespace qtool::optimize {

struct EqualizationOptions {
  bool branched = true;         // also sets through sums and concatenations
  bool replace_clips = false;   // Clip(0, b) becomes Relu whether or not the bound is reached
  bool keep_clips = false;      // never becomes Relu
  // A channel counts as reaching the bound of its Clip unless this stays below it: the larger of (1 + margin) x its maximum
  // and mean + deviations x its deviation (the maximum of a channel that rarely opens says little).
  double clip_margin = 0.1, clip_deviations = 6.0;
  double largest_factor = 64.0; // amplification cap: factors stay within [1 / largest, largest]
  double dead_ratio = 1e-6;     // channels with ranges below this share of the set's largest are left alone
  bool damped = true;           // take factors back, set by set, where activations would lose more than weights gain
  int max_rounds = 24;
};

struct EqualizationPlan {
  std::vector<double> factors;           // by class: channels of the class are divided by it
  std::vector<ir::NodeId> clips_to_relu; // bounds that no channel reaches, or that are given up
  int64_t sets = 0;                      // with at least one factor that is not 1
  int64_t free_channels = 0;             // no bound in the way
  int64_t below_bound = 0;               // scaled so that they stay below the bound of their Clip
  int64_t at_bound = 0;                  // reach the bound of their Clip: keep their scale
  int64_t dead = 0;                      // too small to equalize
  int64_t damped = 0;                    // sets whose factors were taken back in part or whole
  int rounds = 0;
  double largest_factor = 1.0;           // of all factors and their inverses
  int64_t moved_bounds = 0;              // channels whose Clip now cuts elsewhere
  std::vector<double> bound_shifts;      // by class: mean that moved bounds add, before the factor; empty: none
};

// For one writer and one reader s = sqrt(r1 / r2) with r the largest |weight| of the channel, so that both become
// sqrt(r1 r2); repeated over all sets until nothing moves, which for conv - depthwise - conv gives the common cube root.
// Several writers or readers count relative to the largest weight of their tensor. A common factor of a set is free: it is
// chosen so that the range of its activations does not grow. Source: Nagel et al. 2019, section 4.1.
[[nodiscard]] EqualizationPlan plan_equalization(const ir::Graph& graph, const ChannelSets& sets, const Statistics& statistics,
                                                 const EqualizationOptions& options);

}  // namespace qtool::optimize
