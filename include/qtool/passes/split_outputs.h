// Outputs that a Concat joins, given out one by one: boxes and scores then have encodings of their own.
#pragma once

#include <string>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::passes {

inline constexpr const char* kAllOutputs = "all";

struct SplitOutput {
  std::string output;
  std::vector<std::string> parts;  // names of the outputs in its place, in order
};

// The parts take the place of the output in the list of outputs; the Concat goes where nobody else reads it. `wanted`: names of
// outputs, or kAllOutputs for every one that a Concat of activations makes. Throws Error(kUsage), and changes nothing, for a name
// that is no output, an output that no Concat makes, and parts that are constants or outputs already.
std::vector<SplitOutput> split_outputs(ir::Graph& graph, const std::vector<std::string>& wanted);

}  // namespace qtool::passes
