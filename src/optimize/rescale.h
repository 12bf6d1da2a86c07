// Carries out an equalization plan on a model and on what is known of it.
#pragma once

#include "equalization.h"
#include "qtool/optimize/stage.h"

namespace qtool::optimize {

// False when a weight would not be finite; the candidate is then of no use.
[[nodiscard]] bool rescale_channels(Candidate& candidate, const ChannelSets& sets, const EqualizationPlan& plan);

}  // namespace qtool::optimize
