// Products with the transposed Jacobian, as a graph: what a probe at the end of a block is worth at the layers inside.
#pragma once

#include <map>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::rounding {

struct AdjointGraph {
  ir::Graph graph;                                // the whole model with the adjoint behind it
  std::vector<ir::ValueId> probes;                // inputs of the graph behind the model's own, one a seed, shaped like it
  std::map<ir::ValueId, ir::ValueId> adjoints;    // J'u by value of the model, where the rules below reach
};

// Reverse mode from `seeds` (values of `model` with settled shapes) back to `wanted`. The adjoint of a seed is its probe
// alone: what lies behind it does not count. A value that an operator without a rule reads on its way to a seed has no
// adjoint. graph.outputs are the adjoints of the wanted values that have one, in their order.
[[nodiscard]] AdjointGraph make_adjoint(const ir::Graph& model, const std::vector<ir::ValueId>& seeds, const std::vector<ir::ValueId>& wanted);

}  // namespace qtool::rounding
