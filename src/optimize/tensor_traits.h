// What the graph around a tensor says about ranges that would fit it.
#pragma once

#include <set>

#include "qtool/model/model_state.h"

namespace qtool::optimize {

// Read by nothing but Sigmoids, directly or through movement and Concat. x * sigmoid(x) reads x twice and does not count.
[[nodiscard]] bool feeds_only_sigmoids(const ir::Graph& graph, ir::ValueId id);

// sigmoid(x) that is multiplied by x.
[[nodiscard]] bool is_own_gate(const ir::Graph& graph, ir::ValueId id);

// A sum of two activations, or a LayerNormalization output, of a network with layer normalization. Such tensors carry
// outliers that are signal: clipping them costs more than the coarser grid.
[[nodiscard]] bool is_residual_stream(const ir::Graph& graph, ir::ValueId id);

// Outputs of the last learned layer before each graph output (Conv, ConvTranspose, Gemm, MatMul; the constant convolution
// behind a Softmax that averages distances is not learned) and everything behind it. Clipped, the best classes tie although
// the SQNR hardly suffers, and among the class logits of a detector positives are rarer than any percentile.
[[nodiscard]] std::set<ir::ValueId> decision_values(const ir::Graph& graph);

// The activations that take the grid of `leader` and are not mere copies of others that do.
[[nodiscard]] std::vector<ir::ValueId> grid_members(const model::ModelState& state, ir::ValueId leader);

// Multiplications behind the value, element-wise work counted in: what a rerun costs.
[[nodiscard]] double suffix_work(const ir::Graph& graph, ir::ValueId id);

}  // namespace qtool::optimize
