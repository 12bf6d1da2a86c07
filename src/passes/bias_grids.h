// Grids of biases, which follow from those of input and weight, and what must happen to the weight so that they fit.
#pragma once

#include "qtool/model/model_state.h"
#include "qtool/passes/compute_encodings.h"

namespace qtool::passes {

// |bias| <= 2^31 * s_input * s_weight must hold; a channel that breaks it gets a larger weight scale (AIMET 2.x rule). All
// weights are settled before the first bias gets its grid, because layers may share a weight. Frozen biases stay. With
// `guard` off, and for frozen weights, biases that do not fit are listed instead.
void settle_biases(model::ModelState& state, bool guard, EncodingNotes& notes);

}  // namespace qtool::passes
