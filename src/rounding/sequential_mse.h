// SeqMSE: weight ranges by the error of the layer's output instead of the error of the weights.
#pragma once

#include "problem.h"

namespace qtool::rounding {

// Scales (i / 20) x base scale, i = first..20, nearest rounding; the least mean squared output error wins, one
// choice a channel or one for the tensor. Both sides see the inputs of the quantized prefix. Offsets stay.
[[nodiscard]] quant::Encoding sequential_mse(const LayerProblem& problem, int first = 1);

// Multiplies the grids of a channel (or of the tensor: channel 0) by `factor`; block scales of low-power encodings stay.
// `grids`: how many a channel has.
void scale_channel(quant::Encoding& encoding, size_t channel, size_t grids, double factor);

}  // namespace qtool::rounding
