// Runs a graph node by node on the reference kernels: slow, exact, and free of any preparation. The conformance
// runner and tests of faster executors compare against it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

// Called after each node with its outputs (by slot), nodes of subgraphs included.
using NodeObserver = std::function<void(const ir::Node&, std::span<const Tensor>)>;

// `inputs` in the order of graph.inputs. Shapes may depend on data; If, Loop and Scan are run here and need no entry in
// the registry. Returns the graph outputs in order. Throws Error(kUnsupported) for operators the registry does not know
// and what the kernels throw, with node and op as context.
[[nodiscard]] std::vector<Tensor> interpret(const ir::Graph& graph, const Registry& registry,
                                            std::span<const Tensor> inputs, const NodeObserver& observe = {});

// Operators that interpret() runs itself.
[[nodiscard]] bool is_interpreted_control_flow(const ir::Node& node);

}  // namespace qtool::ops
