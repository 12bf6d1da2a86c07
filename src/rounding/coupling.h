// Levels of all channels of a layer against the error at the end of its block: the sum over c, c' of G_cc' d_c H d_c' with
// d = s q - w. Minimising d_c H d_c channel by channel knows nothing of the other channels.
#pragma once

#include <span>
#include <vector>

#include "descent.h"

namespace qtool::rounding {

struct CoupledScales {
  std::span<const double> covering;   // by channel, see GridSearchOptions
  std::span<const double> factors;
  int refits = 2;
};

struct CoupledProblem {
  const Metric& metric;               // H, one for all channels
  std::span<const float> weights;     // [channels][inputs], to be reproduced
  std::span<const float> coupling;    // G, [channels][channels], positive semidefinite (sensitivity.h)
  CoupledScales scales;
  int threads = 1;
};

// `states`: the answer channel by channel. Rounds a few channels at a time, each making up for what those before have lost (as
// successive rounding does with inputs), then descends channel by channel. False, and nothing changed, when the loss is no less.
[[nodiscard]] bool round_coupled(const CoupledProblem& problem, std::vector<ChannelState>& states);

// G + 0.1 of its mean diagonal: a weight for what the probes have not told apart.
[[nodiscard]] std::vector<float> ridged_coupling(std::span<const float> coupling, int64_t channels);

}  // namespace qtool::rounding
