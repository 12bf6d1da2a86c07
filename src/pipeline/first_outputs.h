// What the float model gives for the first sample, for checks that look at outputs.
#pragma once

#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"

namespace qtool::pipeline {

// In the order of the graph's outputs.
[[nodiscard]] std::vector<Tensor> first_outputs(const ir::Graph& graph, const data::SampleSource& source);

}  // namespace qtool::pipeline
