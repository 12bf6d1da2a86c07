// Functions of one value on a grid: 256 codes have 256 results, so that a chain of element-wise operators with all the
// grids between them becomes one table.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "qtool/exec/kernel.h"
#include "qtool/model/model_state.h"

namespace qtool::exec {

// Operators that compute `result` element by element from one value and constants of one element.
struct TableChain {
  std::vector<const ir::Node*> members;  // in order
  ir::ValueId result = ir::kNoValue;
};

// The chain that starts with `first`, which reads `source`: the operator alone, or Sigmoid with the Mul by its own input
// when nobody else `needs` the gate. nullopt where `first` is no such function.
[[nodiscard]] std::optional<TableChain> find_table_chain(const ir::Graph& graph, ir::ValueId source, const ir::Node& first,
                                                         const std::function<bool(ir::ValueId gate, const ir::Node& product)>& needs);

// The value that a one-value function reads; kNoValue for other operators.
[[nodiscard]] ir::ValueId table_source(const ir::Graph& graph, const ir::Node& node);

// Codes of `result` for the 256 codes of `source`, by running the chain on the kernels that carry integers in floats:
// equal to them by construction. Both values have grids in `encodings` that fit codes.
[[nodiscard]] CodeTable make_table(const ir::Graph& graph, ir::ValueId source, const TableChain& chain,
                                   const model::EncodingTable& encodings);

// From one grid to another.
[[nodiscard]] CodeTable make_table(const quant::Encoding& from, const quant::Encoding& to);

}  // namespace qtool::exec
