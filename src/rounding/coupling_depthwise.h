// coupling.h for depthwise layers: every channel reads inputs of its own, so products of inputs of different channels come
// from rows instead of one matrix.
#pragma once

#include <memory>

#include "coupling.h"
#include "moments.h"

namespace qtool::rounding {

struct CoupledDepthwise {
  const Rows& rows;                                       // fitted ones
  std::vector<float> means;                               // of the inputs, [channels][inputs]; what the bias takes up
  std::span<const std::unique_ptr<Metric>> metrics;       // one a channel
  std::span<const float> weights;                         // [channels][inputs], to be reproduced
  std::span<const float> coupling;                        // [channels][channels]
  CoupledScales scales;
  int threads = 1;
};

// As round_coupled(): channel after channel is rounded anew against what the others do on the rows.
[[nodiscard]] bool round_coupled_depthwise(const CoupledDepthwise& problem, std::vector<ChannelState>& states);

}  // namespace qtool::rounding
