// What errors of a layer's output channels are worth at the end of its block.
#pragma once

#include <vector>

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "qtool/rounding/adaround.h"
#include "sampling.h"

namespace qtool::rounding {

struct BlockLayer {
  ir::ValueId end = ir::kNoValue;   // of the block that the layer is in (blocks.h)
  std::vector<float> coupling;      // G, [channels][channels]; empty: the layer is coupled to nothing
};

// For each site G = E[J'J], J: Jacobian of the block's end by the layer's outputs at one pixel, in the float model. It is empty
// where the error at the block's end is that of the layer itself, where adjoint.h has no way, and for layers whose channels are
// neither one group nor a group each, or more than 2048. Estimated with random signs u at the ends, as mean of (J'u)(J'u)' over pixels of at most
// 64 fitted images. Throws what loading a sample throws.
[[nodiscard]] std::vector<BlockLayer> block_layers(const ir::Graph& reference, const std::vector<LayerSite>& sites, const data::SampleSource& source,
                                                   const ImageOrder& order, const AdaroundOptions& options);

}  // namespace qtool::rounding
