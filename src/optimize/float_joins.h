// Joined outputs of a detector that 16 bits serve less well than float.
#pragma once

#include <string>
#include <vector>

#include "qtool/optimize/head_analysis.h"

namespace qtool::optimize {

struct FloatJoin {
  ir::ValueId value = ir::kNoValue;  // result of a Concat
  std::string reason;
};

// Concats with a part that a joint grid of `bits` leaves fewer levels than 8 bits of its own would, and the Concats behind
// them; only where nothing but movement lies between them and the outputs, so that no operator pays for the float values.
[[nodiscard]] std::vector<FloatJoin> joins_for_float(const ir::Graph& graph, const HeadAnalysis& head, int bits);

}  // namespace qtool::optimize
