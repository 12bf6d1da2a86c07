// Candidates for one layer and the choice among them.
#pragma once

#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// The candidate with the least error on judged rows; plain nearest rounding is always one. `nearest_error` receives its
// error.
[[nodiscard]] LayerSolution solve_layer(const LayerProblem& problem, const AdaroundOptions& options, uint64_t layer, double& nearest_error);

// Nearest levels on the base grid.
[[nodiscard]] LayerSolution round_to_nearest(const LayerProblem& problem);

}  // namespace qtool::rounding
