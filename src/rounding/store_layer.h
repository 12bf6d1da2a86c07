// Writes answers into the model: weights, biases and their grids.
#pragma once

#include <span>

#include "layer_site.h"
#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// The weight lies on a frozen grid afterwards; seqmse moves the grid alone.
void store_layer(model::ModelState& state, const LayerSite& site, const LayerSolution& solution, Method method);

// site.bias must be there.
void store_bias(model::ModelState& state, const LayerSite& site, std::span<const float> bias);

// The grid of the layer's bias, movable or not, follows that of its weight, unless it is frozen.
void refresh_bias_encoding(model::ModelState& state, const LayerSite& site);

}  // namespace qtool::rounding
