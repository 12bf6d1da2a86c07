// One step of RNN, GRU and LSTM as ordinary operators.
#pragma once

#include <string>

#include "qtool/ops/recurrent.h"
#include "step_writer.h"

namespace qtool::passes {

// Parameters of one direction as constants of the graph.
struct CellParameters {
  const ops::Recurrent& recurrent;
  const ops::RecurrentActivation* activations;
  ir::ValueId input_weights;       // [gates * hidden, inputs]
  MaybeValue input_bias;           // [gates * hidden]: all that is added to a gate whatever the state
  ir::ValueId recurrent_weights;   // [gates * hidden, hidden]; a GRU that resets the state first: update and reset gate only
  MaybeValue recurrent_bias;       // of a GRU with linear_before_reset: what the reset gate multiplies too, zero for other gates
  MaybeValue candidate_weights;    // of a GRU that resets the state first: [hidden, hidden]
  MaybeValue candidate_bias;       // [hidden]: the last third of recurrent_bias
};

// Reads the parameters of `node` for one direction and puts them into the graph.
[[nodiscard]] CellParameters cell_parameters(const ir::Graph& graph, const ir::Node& node, const ops::Recurrent& recurrent, int64_t direction,
                                             StepWriter& writer);

struct CellState {
  MaybeValue hidden, cell;  // [batch, hidden]; empty: zeros. The cell is the LSTM's
};

// `projected`: [batch, gates * hidden], the product of W and this step's input plus biases. `step`: "step3/" before the names of
// what is computed.
[[nodiscard]] CellState write_step(StepWriter& writer, const CellParameters& parameters, const std::string& step, ir::ValueId projected,
                                   const CellState& before);

}  // namespace qtool::passes
