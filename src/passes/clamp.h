// Nodes that limit their input to an interval.
#pragma once

#include <limits>
#include <optional>

#include "qtool/ir/graph.h"

namespace qtool::passes {

struct Clamp {
  ir::ValueId input;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

// Relu, Clip with constant bounds, Min and Max with a scalar constant; on float32, without broadcasting. Bounds at the
// ends of float32 count as none.
[[nodiscard]] std::optional<Clamp> as_clamp(const ir::Graph& graph, const ir::Node& node);

// as_clamp of the only producer of a value that is read once.
[[nodiscard]] std::optional<Clamp> single_clamp(const ir::Graph& graph, ir::ValueId value);

}  // namespace qtool::passes
