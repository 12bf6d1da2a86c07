// RNN, GRU and LSTM: one or two directions, per-sequence lengths, both layouts, all activation functions.
#include <algorithm>

#include "qtool/ops/recurrent.h"
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// Everything one direction needs; pointers into arrays of the evaluation.
struct Direction {
  const Recurrent& recurrent;
  const double* w;                  // [gates * hidden, inputs]
  const double* r;                  // [gates * hidden, hidden]
  const double* input_bias;         // [gates * hidden]
  const double* recurrent_bias;     // [gates * hidden]
  const double* peephole;           // [3 * hidden] in the order i, o, f; LSTM only
  const RecurrentActivation* activations;

  [[nodiscard]] double from_input(int64_t unit, const double* x) const {
    double sum = input_bias[unit];
    for (int64_t i = 0; i < recurrent.inputs; ++i) sum += w[unit * recurrent.inputs + i] * x[i];
    return sum;
  }
  [[nodiscard]] double from_hidden(int64_t unit, const double* h) const {
    double sum = recurrent_bias[unit];
    for (int64_t i = 0; i < recurrent.hidden; ++i) sum += r[unit * recurrent.hidden + i] * h[i];
    return sum;
  }
  [[nodiscard]] double activate(size_t which, double x) const {
    return activations[which](std::clamp(x, -recurrent.clip, recurrent.clip));
  }
};

struct State {
  Reals hidden;
  Reals cell;  // LSTM only
};

void step_rnn(const Direction& d, const double* x, State& state) {
  Reals next(state.hidden.size());
  for (size_t j = 0; j < next.size(); ++j) {
    const auto unit = static_cast<int64_t>(j);
    next[j] = d.activate(0, d.from_input(unit, x) + d.from_hidden(unit, state.hidden.data()));
  }
  state.hidden = std::move(next);
}

void step_gru(const Direction& d, const double* x, State& state) {
  const int64_t hidden = d.recurrent.hidden;
  const Reals before = state.hidden;
  Reals update(before.size()), reset(before.size()), reset_state(before.size());
  for (int64_t j = 0; j < hidden; ++j) {
    const auto at = static_cast<size_t>(j);
    update[at] = d.activate(0, d.from_input(j, x) + d.from_hidden(j, before.data()));
    reset[at] = d.activate(0, d.from_input(hidden + j, x) + d.from_hidden(hidden + j, before.data()));
    reset_state[at] = reset[at] * before[at];
  }
  for (int64_t j = 0; j < hidden; ++j) {
    const auto at = static_cast<size_t>(j);
    const int64_t unit = 2 * hidden + j;
    const double recurrent = d.recurrent.flag ? reset[at] * d.from_hidden(unit, before.data()) : d.from_hidden(unit, reset_state.data());
    const double candidate = d.activate(1, d.from_input(unit, x) + recurrent);
    state.hidden[at] = (1.0 - update[at]) * candidate + update[at] * before[at];
  }
}

void step_lstm(const Direction& d, const double* x, State& state) {
  const int64_t hidden = d.recurrent.hidden;
  const Reals before = state.hidden;
  for (int64_t j = 0; j < hidden; ++j) {
    const auto at = static_cast<size_t>(j);
    const auto gate = [&](int64_t index) {
      return d.from_input(index * hidden + j, x) + d.from_hidden(index * hidden + j, before.data());
    };
    const double old_cell = state.cell[at];
    const double input = d.activate(0, gate(0) + d.peephole[j] * old_cell);
    const double forget = d.recurrent.flag ? 1.0 - input : d.activate(0, gate(2) + d.peephole[2 * hidden + j] * old_cell);
    const double cell = forget * old_cell + input * d.activate(1, gate(3));
    const double output = d.activate(0, gate(1) + d.peephole[hidden + j] * cell);
    state.cell[at] = cell;
    state.hidden[at] = output * d.activations[2](cell);
  }
}

void step(const Direction& d, const double* x, State& state) {
  switch (d.recurrent.cell) {
    case RecurrentCell::kRnn: return step_rnn(d, x, state);
    case RecurrentCell::kGru: return step_gru(d, x, state);
    case RecurrentCell::kLstm: return step_lstm(d, x, state);
  }
}

InferredTypes infer(const InferContext& context) {
  const Recurrent recurrent =
      read_recurrent(context.node(), context.shape(kSequence), context.shape(kInputWeights), context.shape(kRecurrentWeights));
  const TensorType state{context.dtype(kSequence), recurrent.state_shape()};
  InferredTypes types{TensorType{context.dtype(kSequence), recurrent.sequence_shape()}, state};
  if (recurrent.cell == RecurrentCell::kLstm) types.push_back(state);
  return types;
}

Reals optional_values(const EvalContext& context, size_t slot, int64_t expected) {
  if (!context.has_input(slot)) return Reals(static_cast<size_t>(expected), 0.0);
  Reals values = to_reals(context.input(slot));
  if (static_cast<int64_t>(values.size()) != expected) {
    throw Error(ErrorCode::kInvalidModel, format("input {} has {} elements, expected {}", slot, values.size(), expected));
  }
  return values;
}

std::vector<int64_t> sequence_lengths(const EvalContext& context, const Recurrent& recurrent) {
  std::vector<int64_t> lengths(static_cast<size_t>(recurrent.batch), recurrent.sequence);
  if (context.has_input(kSequenceLengths)) lengths = context.input(kSequenceLengths).to_int64();
  if (static_cast<int64_t>(lengths.size()) != recurrent.batch) {
    throw Error(ErrorCode::kInvalidModel, format("sequence_lens has {} elements, the batch {}", lengths.size(), recurrent.batch));
  }
  for (const int64_t length : lengths) {
    if (length < 0 || length > recurrent.sequence) {
      throw Error(ErrorCode::kInvalidData, format("sequence length {} of {}", length, recurrent.sequence));
    }
  }
  return lengths;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(kSequence);
  const Recurrent s = read_recurrent(context.node(), input.shape(), context.input(kInputWeights).shape(), context.input(kRecurrentWeights).shape());
  const Reals x = to_reals(input), w = to_reals(context.input(kInputWeights)), r = to_reals(context.input(kRecurrentWeights));
  const int64_t units = s.gates * s.hidden, state_size = s.directions * s.batch * s.hidden;
  const Reals bias = optional_values(context, kGateBiases, s.directions * 2 * units);
  const Reals peephole = optional_values(context, kPeepholes, s.directions * 3 * s.hidden);
  Reals last_hidden = optional_values(context, kInitialHidden, state_size);
  Reals last_cell = optional_values(context, kInitialCell, state_size);
  const std::vector<int64_t> lengths = sequence_lengths(context, s);

  Reals y(static_cast<size_t>(s.sequence_shape().element_count()), 0.0);
  for (int64_t d = 0; d < s.directions; ++d) {
    const Direction direction{s,
                              w.data() + d * units * s.inputs,
                              r.data() + d * units * s.hidden,
                              bias.data() + d * 2 * units,
                              bias.data() + (d * 2 + 1) * units,
                              peephole.data() + d * 3 * s.hidden,
                              s.activations.data() + static_cast<size_t>(d) * s.activations_per_direction()};
    for (int64_t b = 0; b < s.batch; ++b) {
      const auto first = last_hidden.begin() + s.state_row(d, b), first_cell = last_cell.begin() + s.state_row(d, b);
      State state{Reals(first, first + s.hidden), Reals(first_cell, first_cell + s.hidden)};
      const int64_t length = lengths[static_cast<size_t>(b)];
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = s.runs_backward(d) ? length - 1 - i : i;
        step(direction, x.data() + (s.batch_first ? b * s.sequence + t : t * s.batch + b) * s.inputs, state);
        std::copy(state.hidden.begin(), state.hidden.end(), y.begin() + s.sequence_row(t, d, b));
      }
      std::copy(state.hidden.begin(), state.hidden.end(), first);
      std::copy(state.cell.begin(), state.cell.end(), first_cell);
    }
  }
  std::vector<Tensor> outputs{from_reals(input.dtype(), s.sequence_shape(), y), from_reals(input.dtype(), s.state_shape(), last_hidden)};
  if (s.cell == RecurrentCell::kLstm) outputs.push_back(from_reals(input.dtype(), s.state_shape(), last_cell));
  return outputs;
}

}  // namespace

void register_recurrent(Registry& registry) {
  for (const char* type : {"RNN", "GRU", "LSTM"}) {
    registry.add({.type = type, .first_opset = 7, .notes = "DLC: step by step (--unroll-recurrent); else weights on one grid each, computed in float", .infer = infer, .evaluate = evaluate});
  }
}

}  // namespace qtool::ops
