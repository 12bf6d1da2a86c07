// RNN, GRU and LSTM written as ordinary operators, one group a step: backends without these operators can run the graph,
// and every gate and state of every step has an encoding.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::passes {

struct UnrolledNode {
  std::string node;             // "LSTM '/rnn/LSTM'"
  int64_t steps = 0;
  int64_t directions = 1;
  int64_t operators = 0;        // that took its place
};

struct UnrollOutcome {
  std::vector<UnrolledNode> nodes;
  std::vector<std::string> left;  // "LSTM 'x': why it stays"
  std::vector<std::vector<ir::ValueId>> shared_grids;  // for PlanOptions: Y of one direction and the hidden states in it
};

// Outputs keep their names. What a step computes is named "<node>/step<t>/<what>", t counting along the sequence; with two
// directions "<node>/forward/step<t>/..." and "<node>/reverse/step<t>/...". Nodes with an obstacle (ops::obstacle_to_steps) stay as they are.
// Constants must be folded and shapes settled before.
UnrollOutcome unroll_recurrent(model::ModelState& state);

// Whether `tensor` is named as a tensor of the steps of the node called `node`.
[[nodiscard]] bool is_step_tensor(std::string_view tensor, std::string_view node);

}  // namespace qtool::passes
