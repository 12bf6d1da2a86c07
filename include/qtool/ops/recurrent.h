// RNN, GRU and LSTM as the reference and the fast kernel both read them: sizes, options, activation functions.
// Source of all meanings: ONNX operators RNN, GRU and LSTM, operator sets 7 to 22.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/tensor/shape.h"

namespace qtool::ops {

enum RecurrentSlot : size_t {
  kSequence,           // [sequence, batch, inputs], with `layout` 1 [batch, sequence, inputs]
  kInputWeights,       // [directions, gates * hidden, inputs]
  kRecurrentWeights,   // [directions, gates * hidden, hidden]
  kGateBiases,         // [directions, 2 * gates * hidden]: those of the input, then those of the hidden state
  kSequenceLengths,    // [batch]
  kInitialHidden,
  kInitialCell,
  kPeepholes,          // [directions, 3 * hidden] in the order input, output, forget
};

// f(x) with its two parameters.
struct RecurrentActivation {
  std::string_view name;  // as in the standard, "Tanh"
  double alpha = 0.0, beta = 0.0;
  double (*function)(double x, double alpha, double beta) = nullptr;
  double operator()(double x) const { return function(x, alpha, beta); }
};

enum class RecurrentCell : uint8_t {
  kRnn,
  kGru,   // gates in the order update, reset, candidate
  kLstm,  // gates in the order input, output, forget, cell
};

struct Recurrent {
  RecurrentCell cell;
  int64_t gates, sequence, batch, inputs, directions, hidden;
  bool batch_first;                              // `layout` 1
  bool reverse;                                  // a single direction that runs from the end
  bool flag;                                     // linear_before_reset (GRU), input_forget (LSTM)
  double clip;                                   // bound of what activations get; infinity: none
  std::vector<RecurrentActivation> activations;  // those of a direction one after another

  [[nodiscard]] Shape sequence_shape() const;  // of output Y
  [[nodiscard]] Shape state_shape() const;     // of the initial and last states
  // Where a row of `hidden` elements begins in Y, and in a state.
  [[nodiscard]] int64_t sequence_row(int64_t t, int64_t direction, int64_t b) const;
  [[nodiscard]] int64_t state_row(int64_t direction, int64_t b) const;
  [[nodiscard]] bool runs_backward(int64_t direction) const { return direction == 1 || reverse; }
  [[nodiscard]] size_t activations_per_direction() const;
};

// Throws Error(kInvalidModel) where the shapes of X, W and R do not fit, Error(kUnsupported) for an unknown activation.
[[nodiscard]] Recurrent read_recurrent(const ir::Node& node, const Shape& x, const Shape& w, const Shape& r);

// Slots of parameters that take the weight width of the profile, one grid a tensor, without making the operator a layer
// whose channels stages may scale or correct: W and R of these operators, none of any other.
[[nodiscard]] std::span<const size_t> whole_weights(const ir::Node& node);

[[nodiscard]] bool is_recurrent(const ir::Node& node);

// Why a recurrent node of this graph cannot be written as ordinary operators, one group a step; empty where it can
// (passes/unroll_recurrent.h). Throws as read_recurrent.
[[nodiscard]] std::string obstacle_to_steps(const ir::Graph& graph, const ir::Node& node);

}  // namespace qtool::ops
