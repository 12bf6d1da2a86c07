// What each quantizer does to the outputs alone, in the float model.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"
#include "wide_selection.h"

namespace qtool::optimize {

// Fills `noise` of every quantizer, from the first `samples` of `source`. Those that together make next to nothing of it on the
// first few samples are not run on the others; their noise relative to the signal is that of these few.
void measure_noise(const model::ModelState& state, std::vector<NarrowQuantizer>& quantizers, const data::SampleSource& source, int64_t samples,
                   int threads);

}  // namespace qtool::optimize
