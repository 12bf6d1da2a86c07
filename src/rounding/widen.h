// Layers that cannot bear fewer than 8 bits: which they are, their grids, and whether the model as a whole gains.
#pragma once

#include <span>
#include <vector>

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "qtool/rounding/adaround.h"
#include "sampling.h"

namespace qtool::rounding {

// Indices of layers below 8 bits whose held-out error would fall by at least 0.005 of the output's variance with more
// bits, most error a weight first, while they hold at most `share` of the weights below 8 bits.
[[nodiscard]] std::vector<size_t> layers_to_widen(std::span<const LayerReport> layers, const std::vector<LayerSite>& sites, double share);

// Weights of `site` get an 8-bit grid over their range, per channel where it was so or per block.
void widen(model::ModelState& state, const LayerSite& site);

// How much nearer the outputs of `second` are to those of `reference` than those of `first`, in dB, simulated on the images
// kept aside (at most 16). The mean over all channels (axis 1) of outputs, so that scores count beside coordinates.
[[nodiscard]] double output_gain_db(const ir::Graph& reference, const model::ModelState& first, const model::ModelState& second,
                                    const data::SampleSource& source, const ImageOrder& order, int threads);

}  // namespace qtool::rounding
