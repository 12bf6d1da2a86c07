// Candidates for one layer and the choice among them.
#pragma once

#include "block_judge.h"
#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Relative output errors on judged rows, see judge.h.
struct LayerErrors {
  double nearest = 0.0;  // plain nearest rounding
  double real = 0.0;     // the best weights found before any rounding: what more bits come to
};

// The candidate with the least error on judged rows; plain nearest rounding is always one.
// `block`: where it is given, and the problem has a coupling, levels found against the end of the block replace those of the
// descent when they lower the error there.
[[nodiscard]] LayerSolution solve_layer(const LayerProblem& problem, const AdaroundOptions& options, uint64_t layer, LayerErrors& errors,
                                        const BlockJudge* block = nullptr);

// Method of a solution that was found against the end of the block.
inline constexpr const char* kBlockMethod = "descent, block";

// Nearest levels on the base grid.
[[nodiscard]] LayerSolution round_to_nearest(const LayerProblem& problem);

}  // namespace qtool::rounding
