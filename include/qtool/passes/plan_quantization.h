// Decides which tensors get an encoding and which share one, from operator traits and a target profile.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/ops/registry.h"

namespace qtool::passes {

struct PlanOptions {
  // Operators to leave in float: glob patterns on node names or output tensor names, or operator types. Their outputs,
  // weights and constants get no encoding.
  std::vector<std::string> keep_float;
};

// Fills `plan`. The graph must be cleaned (batch norm folded) and its shapes settled. Rules, in order:
//   1. outputs inside a fused group get none (the group's last output stands for them);
//   2. data movement takes the encoding of its input, tied operators share one among inputs and output;
//   3. prescribed ranges of the profile; 4. everything else that is float gets its own.
// Weights, biases and constant operands follow the operator that reads them first.
// Throws Error(kUsage) for a pattern that matches no operator.
void plan_quantization(model::ModelState& state, const model::TargetProfile& profile, const ops::Registry& registry,
                       const PlanOptions& options = {});

}  // namespace qtool::passes
