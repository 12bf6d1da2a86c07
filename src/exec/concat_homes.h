// Which Concat parts can be written straight into the Concat's output.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "qtool/ir/graph.h"

namespace qtool::exec {

struct ConcatHome {
  ir::NodeId concat;
  int64_t element_offset;   // of the part inside the output
  bool block_aligned;       // all parts but the last are whole channel blocks
};
using ConcatHomes = std::map<ir::ValueId, ConcatHome>;

// A part has a home when its elements are contiguous in the output, a node computes it, nothing else decides where it
// lies, and `same_values(part, output)` says that the output will hold the part unchanged.
[[nodiscard]] ConcatHomes find_concat_homes(const ir::Graph& graph, int64_t block,
                                            const std::function<bool(ir::ValueId part, ir::ValueId joined)>& same_values);

}  // namespace qtool::exec
