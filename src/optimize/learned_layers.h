// Which operators a network has learned, and which of them come last.
#pragma once

#include <set>

#include "qtool/ir/graph.h"

namespace qtool::optimize {

// Output elements are elements of input 0 (reshape, slice, ...).
[[nodiscard]] bool moves_data(const ir::Node& node);

// The same, or elements of all inputs (Concat).
[[nodiscard]] bool joins_or_moves(const ir::Node& node);

// Conv, ConvTranspose, Gemm and MatMul; but not the constant convolution behind a Softmax that averages the distances of a
// detection head (DFL).
[[nodiscard]] bool is_learned(const ir::Graph& graph, const ir::Node& node);

// Outputs of the last learned layer on every way back from a graph output.
[[nodiscard]] std::set<ir::ValueId> last_learned_outputs(const ir::Graph& graph);

}  // namespace qtool::optimize
