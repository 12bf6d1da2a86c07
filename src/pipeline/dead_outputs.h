// Notices detection heads that quantization silences: a block of a model output that is alive in float and all zero on
// its grid, because it shares a scale with much larger values.
#pragma once

#include <string>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"

namespace qtool::pipeline {

// Runs the first sample through the float model only: an output row whose every value rounds to level 0 while the float
// values are not zero is dead. Rows are indices of one axis; the axis with the longest contiguous dead block is told.
[[nodiscard]] std::vector<std::string> dead_output_warnings(const model::ModelState& state, const data::SampleSource& source);

}  // namespace qtool::pipeline
