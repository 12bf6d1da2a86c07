// The encodings that the DLC states: those of the model, completed where the backend needs one that the plan leaves
// out, and adjusted where it would ignore the one that is there.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::exporters::dlc {

// - Ops that only move data: a result without encoding takes that of the operand.
// - A tensor between an op and the ReLU or Clip that the backend fuses into it takes the encoding of the latter.
// - The same for LeakyRelu, PRelu and HardSwish, with the range that the function's result implies.
// - The range of a Clip ends at its upper bound, because the fused op clips by the range alone.
[[nodiscard]] model::EncodingTable effective_encodings(const model::ModelState& state, std::vector<std::string>& notes);

}  // namespace qtool::exporters::dlc
