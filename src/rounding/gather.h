// Rows of one layer from all images.
#pragma once

#include "lockstep.h"
#include "moments.h"
#include "qtool/rounding/adaround.h"
#include "sampling.h"

namespace qtool::rounding {

// What the layers want of the walk, for LockstepOptions.
[[nodiscard]] std::vector<WalkStop> walk_stops(const ir::Graph& reference, const std::vector<LayerSite>& sites, const AdaroundOptions& options);

struct GatherOptions {
  bool keep_fit_rows = false;      // besides their moments
  int64_t held_images = 0;         // how many images kept aside are returned with all values alive at the layer
};

struct GatheredLayer {
  LayerData data;
  std::vector<ImageState> held;
};

// Advances `lockstep` to layer `index`.
[[nodiscard]] GatheredLayer gather_layer(Lockstep& lockstep, const ir::Graph& reference, const std::vector<LayerSite>& sites, size_t index,
                                         const ImageOrder& order, const AdaroundOptions& options, const GatherOptions& wanted);

}  // namespace qtool::rounding
