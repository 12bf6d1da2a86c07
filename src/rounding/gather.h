// Rows of one layer from all images.
#pragma once

#include "lockstep.h"
#include "moments.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Advances `lockstep` to layer `index` and returns its data; with `keep_rows` the rows themselves as well.
[[nodiscard]] LayerData gather_layer(Lockstep& lockstep, const ir::Graph& reference, const std::vector<LayerSite>& sites, size_t index,
                                     const std::vector<bool>& held_out, bool keep_rows, const AdaroundOptions& options);

}  // namespace qtool::rounding
