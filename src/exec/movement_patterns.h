// Movements written as several nodes that one step can do.
#pragma once

#include <optional>

#include "qtool/ir/graph.h"

namespace qtool::exec {

// Reshape [N, G * K, spatial...] -> [N, G, K, spatial...] followed by a Transpose to [N, G, spatial..., K], as detection
// heads do: the Transpose, when it is the only reader; nullptr otherwise.
[[nodiscard]] const ir::Node* find_grouped_transpose(const ir::Graph& graph, const ir::Node& reshape);

// A Concat with one part that is cut out of a tensor of the Concat's shape at the very place where it goes back: what
// detection decoders do to a few columns of a table. Over that tensor only the other parts have to be written.
struct Overlay {
  ir::ValueId whole;   // what the part is cut out of
  size_t part;         // slot of the Concat; its producer is the Slice
};
// nullopt also where parts are contiguous in the output, which needs no such care (concat_homes.h).
[[nodiscard]] std::optional<Overlay> find_overlay(const ir::Graph& graph, const ir::Node& concat);

}  // namespace qtool::exec
