// Steps of the passes that bring operators down to the number of axes that backends have.
#pragma once

#include <string_view>

#include "qtool/ir/graph.h"

namespace qtool::passes {

// Qualcomm's runtimes stop here, and so do other mobile ones. Tensors of fewer axes are left as they are written: their
// names stand in encodings files, and nothing would be gained.
inline constexpr size_t kMostAxes = 5;

// A row-major view of `value` for one reader: a constant of that shape, or a Reshape. The view of a value that a Reshape
// makes for that reader alone takes over its name, because merge_reshapes will remove the value.
[[nodiscard]] ir::ValueId view_of(ir::Graph& graph, ir::ValueId value, const Shape& shape, std::string_view stem);

// Output `slot` of the node gets the shape `inner`; a Reshape behind it restores the old one. Inside the graph the
// operator's result keeps its name.
void restore_behind(ir::Graph& graph, ir::NodeId node, size_t slot, const Shape& inner);

}  // namespace qtool::passes
