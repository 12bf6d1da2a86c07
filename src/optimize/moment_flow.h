// Moments of float activations without samples: from folded batch norms, carried through the graph.
#pragma once

#include <map>
#include <string>

#include "qtool/model/model_state.h"
#include "qtool/optimize/statistics.h"

namespace qtool::optimize {

// By channel of axis 1, or one entry for the whole tensor where channels lie elsewhere.
using ValueMoments = std::map<ir::ValueId, ChannelMoments>;

// Behind a folded batch norm: its beta and gamma. Elsewhere from the moments of the inputs, taken as normal and independent.
// `inputs` by name of model input; inputs not named count as standard normal. Values behind operators that are not understood
// are left out.
[[nodiscard]] ValueMoments flow_moments(const model::ModelState& state, const std::map<std::string, ChannelMoments>& inputs);

// Moments of x at channel c, whichever form they have.
[[nodiscard]] inline size_t moment_index(const ChannelMoments& moments, int64_t channel) {
  return moments.mean.size() == 1 ? 0 : static_cast<size_t>(channel);
}

}  // namespace qtool::optimize
