// Operator sets below 7 broadcast only where a node says so, and align the second operand by an attribute `axis` instead
// of at the last axis. An Unsqueeze turns such an operand into one that numpy's rule aligns.
#pragma once

#include "qtool/ir/graph.h"

namespace qtool::ops {

// Rewrites the node to the rules of operator set 7 when it is of an older one and the types of its operands are known.
// Returns the Unsqueeze put in front of it, kNoNode when none is needed.
ir::NodeId align_legacy_operand(ir::Graph& graph, ir::NodeId id);

}  // namespace qtool::ops
