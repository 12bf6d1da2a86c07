// Activations that a step can take in: a Clip with constant bounds, and x * sigmoid(x).
#pragma once

#include <optional>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

// The Mul that multiplies the Sigmoid's output with its input; nullptr when there is none.
[[nodiscard]] const ir::Node* find_silu_product(const ir::Graph& graph, const ir::Node& sigmoid);

[[nodiscard]] std::optional<FusedActivation> constant_clip(const ir::Graph& graph, const ir::Node& node);

}  // namespace qtool::exec
