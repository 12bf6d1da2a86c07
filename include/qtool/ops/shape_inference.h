// Settles the type of every value and folds what is constant, in one walk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

struct ShapeInferenceOptions {
  // Constants larger than this many elements are not created by folding (a Tile or Expand of a small constant
  // would grow the model); types are still inferred.
  int64_t max_folded_elements = int64_t{1} << 22;
  bool fold_constants = true;
  // QuantizeLinear and DequantizeLinear on constants are folded too; their grids are lost then.
  bool fold_grids = false;
};

// Nodes the registry does not know, as "Op 'node'" lines in graph order.
[[nodiscard]] std::vector<std::string> unsupported_nodes(const ir::Graph& graph, const Registry& registry);

// Graph inputs must have types. Values whose shape depends on data keep no type. Nodes with only constant inputs are
// evaluated and erased. Throws Error(kInvalidModel/kUnsupported) naming the node.
void infer_shapes(ir::Graph& graph, const Registry& registry, const ShapeInferenceOptions& options = {});

}  // namespace qtool::ops
