// AdaRound as published (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020), on sampled
// rows: each weight is floor or ceil, decided by a sigmoid that gradient descent pushes to 0 or 1.
#pragma once

#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Minimises sum over channels of (a(W~ x + b) - a(t))^2 + lambda sum (1 - |2h - 1|^beta) over batches of problem.data.fit_rows;
// scales and biases stay. `layer` and seed choose the batches. Channels are independent, so threads change nothing.
[[nodiscard]] LayerSolution round_classic(const LayerProblem& problem, const ClassicOptions& options, uint64_t seed, uint64_t layer);

}  // namespace qtool::rounding
