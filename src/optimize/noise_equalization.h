// Equalization for the least noise at the model's outputs, in the place of equal ranges.
//
// A ReLU6 leaves equal ranges next to nothing to do: nearly every channel reaches its bound once on a hundred images. Most reach it
// so rarely that another bound is a smaller error than the rounding it saves. Here every channel may be scaled, and where the bound
// of its Clip then lies elsewhere, the difference is noise like any other; its mean goes into the biases of the readers.
#pragma once

#include "bound_tails.h"
#include "equalization.h"

namespace qtool::optimize {

struct NoiseEqualizationInputs {
  const Statistics& statistics;
  const BoundTails& tails;
  // Of layer outputs and Clip outputs (rounding/channel_sensitivity.h).
  const std::map<ir::ValueId, std::vector<double>>& sensitivity;
  int threads = 1;
};

// Factors f of all classes that minimise the sum of
//   weights      layer_noise.h, by layer
//   activations  (A / 255)^2 / 12  sum over c of  G[c] f[c]^2, A the largest scaled value of a layer's output, at most its Clip's bound
//   bounds       sum over clipped channels c of  10 G[c] var(clip(x, 0, f b) - clip(x, 0, b)), with values 1.05 times as large as seen
// The first two are geometric programs, convex in ln f. Fixed number of steps of Adam on ln f, from f = 1.
// nullopt: no set can be scaled, or statistics or sensitivity of a layer are missing.
[[nodiscard]] std::optional<EqualizationPlan> plan_least_noise(const ir::Graph& graph, const ChannelSets& sets, const NoiseEqualizationInputs& inputs);

// Clips with a finite bound in front of which channels may be scaled.
[[nodiscard]] std::vector<ir::NodeId> movable_bounds(const ir::Graph& graph, const ChannelSets& sets);

}  // namespace qtool::optimize
