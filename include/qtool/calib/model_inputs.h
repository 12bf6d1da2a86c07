// A sample as the tensors an executor takes.
#pragma once

#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"

namespace qtool::calib {

// In graph input order. Throws Error(kInvalidData) when the sample has no tensor for an input.
[[nodiscard]] std::vector<Tensor> model_inputs(const ir::Graph& graph, const data::Sample& sample);

}  // namespace qtool::calib
