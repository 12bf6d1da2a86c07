// Candidates for one layer and the choice among them.
#pragma once

#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Relative output errors on judged rows, see judge.h.
struct LayerErrors {
  double nearest = 0.0;  // plain nearest rounding
  double real = 0.0;     // the best weights found before any rounding: what more bits come to
};

// The candidate with the least error on judged rows; plain nearest rounding is always one.
[[nodiscard]] LayerSolution solve_layer(const LayerProblem& problem, const AdaroundOptions& options, uint64_t layer, LayerErrors& errors);

// Nearest levels on the base grid.
[[nodiscard]] LayerSolution round_to_nearest(const LayerProblem& problem);

}  // namespace qtool::rounding
