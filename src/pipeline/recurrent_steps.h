// Whether the recurrent nodes of a model are unrolled when it is loaded.
#pragma once

#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {

// Unrolls as options.unroll_recurrent says, and tells what became of the nodes, and why others stay. Models that are quantized
// already stay as they are.
[[nodiscard]] passes::UnrollOutcome unroll_where_wanted(LoadedModel& loaded, const ModelOptions& options, Reporter& reporter);

}  // namespace qtool::pipeline
