// A stretch of the graph as a graph of its own, so that activations can be carried from one layer to the next.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::rounding {

struct Segment {
  ir::Graph graph;
  model::EncodingTable encodings;     // by the values of this graph
  std::vector<ir::ValueId> inputs;    // values of the whole graph, in the order of graph.inputs
  std::vector<ir::ValueId> outputs;   // likewise, of graph.outputs
};

// `nodes` in topological order; `wanted` are values that some of them produce. Constants are shared, not copied.
[[nodiscard]] Segment make_segment(const ir::Graph& whole, const model::EncodingTable& encodings, std::span<const ir::NodeId> nodes,
                                   const std::set<ir::ValueId>& wanted);

}  // namespace qtool::rounding
