// Whether two graphs compute the same and name their values the same.
#pragma once

#include <string>

#include "qtool/ir/graph.h"

namespace qtool::pipeline {

// SHA-256 over ids, names, operators, attributes, connections and the bytes of constants. Graphs of equal fingerprints give
// equal statistics under equal value ids.
[[nodiscard]] std::string graph_fingerprint(const ir::Graph& graph);

}  // namespace qtool::pipeline
