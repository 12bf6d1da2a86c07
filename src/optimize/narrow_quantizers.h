// The quantizers that a precision search may widen.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "wide_selection.h"

namespace qtool::optimize {

// Quantizers of the activations with kNarrowBits or less that have a grid, by leader.
[[nodiscard]] std::vector<NarrowQuantizer> narrow_activations(const model::ModelState& state);

// Weights with kNarrowBits or less of these operator types, by value. Only weights that one layer reads, and layers whose input
// has a grid: integers times floats are no operator of any backend.
[[nodiscard]] std::vector<NarrowQuantizer> narrow_weights(const model::ModelState& state, const std::set<std::string>& operators);

}  // namespace qtool::optimize
