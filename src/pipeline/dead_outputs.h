// Notices detection heads that quantization silences: a block of a model output that is alive in float and all zero on
// its grid, because it shares a scale with much larger values.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::pipeline {

// `outputs`: of the float model for one sample (first_outputs.h). An output row whose every value rounds to level 0 while the float
// values are not zero is dead. Rows are indices of one axis; the axis with the longest contiguous dead block is told.
[[nodiscard]] std::vector<std::string> dead_output_warnings(const model::ModelState& state, const std::vector<Tensor>& outputs);

}  // namespace qtool::pipeline
