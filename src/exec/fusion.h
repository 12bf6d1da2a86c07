// Which nodes one step can take in together with the node it begins with.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "code_tables.h"
#include "qtool/exec/kernel.h"
#include "value_facts.h"

namespace qtool::exec {

// Conv, Gemm or MatMul.
[[nodiscard]] bool is_product(const ir::Node& node);

struct Fusion {
  FusedActivation activation;
  std::vector<const ir::Node*> members;  // in order
  ir::ValueId result = ir::kNoValue;
};
// An activation that is the only reader of the node's output, which nothing else wants to see.
[[nodiscard]] std::optional<Fusion> find_fusion(const ir::Graph& graph, const ValueFacts& facts, const ir::Node& node);

// Element-wise operators of one value that end on a grid, however many values without a reader of their own between.
[[nodiscard]] std::optional<TableChain> find_coded_chain(const ir::Graph& graph, const ValueFacts& facts,
                                                         const std::set<ir::NodeId>& consumed, ir::ValueId source,
                                                         const ir::Node& first);
// The chain that all readers of a value belong to.
[[nodiscard]] std::optional<TableChain> find_only_chain(const ir::Graph& graph, const ValueFacts& facts,
                                                        const std::set<ir::NodeId>& consumed, ir::ValueId source);

}  // namespace qtool::exec
