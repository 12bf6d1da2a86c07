// Rows of one layer from all images.
#pragma once

#include "lockstep.h"
#include "moments.h"
#include "qtool/rounding/adaround.h"
#include "sampling.h"

namespace qtool::rounding {

// What the layers want of the walk, for LockstepOptions.
[[nodiscard]] std::vector<WalkStop> walk_stops(const ir::Graph& reference, const std::vector<LayerSite>& sites, const AdaroundOptions& options);

// Advances `lockstep` to layer `index` and returns its data, for kClassic with the rows themselves.
[[nodiscard]] LayerData gather_layer(Lockstep& lockstep, const ir::Graph& reference, const std::vector<LayerSite>& sites, size_t index,
                                     const ImageOrder& order, const AdaroundOptions& options);

}  // namespace qtool::rounding
