// Rows of one layer from all images.
#pragma once

#include "lockstep.h"
#include "moments.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Advances `lockstep` to layer `index` and returns its data, for kClassic with the rows themselves.
[[nodiscard]] LayerData gather_layer(Lockstep& lockstep, const ir::Graph& reference, const std::vector<LayerSite>& sites, size_t index,
                                     const std::vector<bool>& held_out, const AdaroundOptions& options);

}  // namespace qtool::rounding
