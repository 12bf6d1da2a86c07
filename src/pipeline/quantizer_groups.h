// Layers as quantizers see them: an output grid with the parameters of the operator that makes it.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::pipeline {

struct QuantizerGroup {
  std::string name, op;                     // of the operator with parameters, else of the one that makes the leader
  ir::ValueId leader = ir::kNoValue;        // whose grid it is; kNoValue for parameters whose output has none
  std::vector<ir::ValueId> activations;     // the leader and what takes its grid
  std::vector<ir::ValueId> constants;       // weights, biases and other constants with a grid
};

// In graph order. Every encoding belongs to exactly one group.
[[nodiscard]] std::vector<QuantizerGroup> quantizer_groups(const model::ModelState& state);

}  // namespace qtool::pipeline
