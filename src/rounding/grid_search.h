// Levels and scales together: several start scales, rounding, closed-form scale, rounding again.
#pragma once

#include <optional>

#include "problem.h"
#include "regression.h"

namespace qtool::rounding {

struct GridSearchOptions {
  std::vector<double> factors;  // start scales as shares of the scale that covers all weights
  int refits = 2;               // closed-form scale and descent again
  bool tabu = false;            // a tabu search behind the best of all
};

// Default start scales for a bit width.
[[nodiscard]] GridSearchOptions default_search(int bits);

// `real` [channels][inputs]: the weights to reproduce under the metric H + l1 d I. Grids keep their offsets, scales may
// change. A layer cut into blocks keeps its scales.
struct GridSearchResult {
  LayerSolution found;                    // every channel for itself
  std::optional<LayerSolution> searched;  // behind the tabu search, where it has lowered the loss
  std::optional<LayerSolution> coupled;   // channels against the error at the end of their block, when the problem has a coupling
};
[[nodiscard]] GridSearchResult search_grid(const LayerProblem& problem, const Regression& regression, std::span<const float> real, double l1,
                                           const GridSearchOptions& options);

}  // namespace qtool::rounding
