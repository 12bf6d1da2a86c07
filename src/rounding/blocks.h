// Blocks of a network: stretches behind which a single tensor carries everything on.
#pragma once

#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::rounding {

// Ends of blocks in topological order: the sum of two branches (behind its activation), the output of a linear layer that
// has none, or an output of the model, where no other value is alive beside it.
[[nodiscard]] std::vector<ir::ValueId> find_block_ends(const ir::Graph& graph);

}  // namespace qtool::rounding
