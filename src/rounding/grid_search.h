// Levels and scales together: several start scales, rounding, closed-form scale, rounding again.
#pragma once

#include "problem.h"
#include "regression.h"

namespace qtool::rounding {

struct GridSearchOptions {
  std::vector<double> factors;  // start scales as shares of the scale that covers all weights
  int refits = 2;               // closed-form scale and descent again
};

// Default start scales for a bit width.
[[nodiscard]] GridSearchOptions default_search(int bits);

// `real` [channels][inputs]: the weights to reproduce under the metric H + l1 d I. Grids keep their offsets, scales may
// change. A layer cut into blocks keeps its scales.
[[nodiscard]] LayerSolution search_grid(const LayerProblem& problem, const Regression& regression, std::span<const float> real, double l1,
                                        const GridSearchOptions& options);

}  // namespace qtool::rounding
