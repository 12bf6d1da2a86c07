// SeqMSE: weight ranges by the error of the layer's output instead of the error of the weights.
#pragma once

#include "problem.h"

namespace qtool::rounding {

// Scales (i / candidates) x base scale, i = 1..candidates, nearest rounding; the least mean squared output error wins, one
// choice a channel or one for the tensor. Both sides see the inputs of the quantized prefix. Offsets stay.
[[nodiscard]] quant::Encoding sequential_mse(const LayerProblem& problem, int candidates = 20);

}  // namespace qtool::rounding
