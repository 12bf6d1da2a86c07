// Which axis of a weight enumerates the output channels of its layer.
#pragma once

#include <optional>

#include "qtool/ir/graph.h"

namespace qtool::pipeline {

// nullopt when `value` is not the weight of the node that reads it first.
[[nodiscard]] std::optional<int> weight_channel_axis(const ir::Graph& graph, ir::ValueId value);

}  // namespace qtool::pipeline
