// Runs an operator's reference kernel inside a plan: plain layouts, static shapes.
#pragma once

#include <memory>

#include "qtool/exec/kernel.h"
#include "qtool/ops/registry.h"

namespace qtool::exec {

[[nodiscard]] std::unique_ptr<Kernel> make_reference_kernel(const ir::Graph& graph, const ir::Node& node,
                                                            const ops::OpDef& def);

}  // namespace qtool::exec
