// Control flow: nodes (If, Loop, Scan, ...) that carry graphs as attributes.
//
// A subgraph may read tensors of the graphs around it. Such a captured tensor is, inside the subgraph, a value
// without producer and constant; on the node that owns the subgraph it is one more input behind the inputs of the
// operator, so that use lists, topological order and removal of unused nodes see it. The attribute kCapturesAttribute
// (strings) lists the inner names of those trailing inputs; the outer value may be renamed freely.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::ir {

inline constexpr std::string_view kCapturesAttribute = "qtool.captures";

// Inner names of the captured tensors; empty for most nodes.
[[nodiscard]] std::vector<std::string> captures(const Node& node);
// Number of inputs that belong to the operator itself.
[[nodiscard]] size_t explicit_input_count(const Node& node);

// Replaces an If node by the nodes of the branch that `condition` selects; outputs keep their names, names of inner
// tensors and nodes are made unique. Throws Error(kInvalidModel) when the branch is missing or has a wrong number of
// outputs.
void inline_if(Graph& graph, NodeId if_node, bool condition);

// inline_if for every If whose condition is a constant, nested ones included. Returns how many were inlined.
int inline_constant_ifs(Graph& graph);

}  // namespace qtool::ir
