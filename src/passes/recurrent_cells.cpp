// FORMULA  ONNX operators RNN, GRU and LSTM; the parts of a state that is zero are left out
#include "recurrent_cells.h"

#include <algorithm>
#include <span>
#include <vector>

#include "qtool/passes/rewrite.h"
#include "qtool/support/error.h"

namespace qtool::passes {

namespace {

using ir::ValueId;
using ops::RecurrentCell;
using Floats = std::vector<float>;

// Index `direction` of a constant whose first axis counts directions.
Floats of_direction(const Tensor& tensor, int64_t direction) {
  const auto all = tensor.data<float>();
  const size_t count = all.size() / static_cast<size_t>(tensor.shape()[0]);
  const auto part = all.subspan(static_cast<size_t>(direction) * count, count);
  return {part.begin(), part.end()};
}

bool all_zero(std::span<const float> values) { return std::ranges::all_of(values, [](float v) { return v == 0.0f; }); }

ValueId matrix(StepWriter& writer, const std::string& name, std::span<const float> values, int64_t columns) {
  return writer.constant(name, Tensor::from<float>(Shape{static_cast<int64_t>(values.size()) / columns, columns}, values));
}

MaybeValue row(StepWriter& writer, const std::string& name, std::span<const float> values) {
  if (all_zero(values)) return std::nullopt;
  return writer.constant(name, Tensor::from<float>(Shape{static_cast<int64_t>(values.size())}, values));
}

bool resets_product(const ops::Recurrent& r) { return r.cell == RecurrentCell::kGru && r.flag; }
bool resets_state(const ops::Recurrent& r) { return r.cell == RecurrentCell::kGru && !r.flag; }

// B of the direction: what is added to the gates in any case, and what belongs to the product with the state.
void set_biases(CellParameters& p, const Floats& both, StepWriter& writer) {
  const size_t units = both.size() / 2, inner = resets_product(p.recurrent) ? static_cast<size_t>(p.recurrent.hidden) : 0;
  Floats input(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(units)), recurrent(units, 0.0f);
  for (size_t i = 0; i < units; ++i) {
    if (i + inner < units) input[i] += both[units + i];
    else recurrent[i] = both[units + i];
  }
  p.input_bias = row(writer, "B", input);
  p.recurrent_bias = row(writer, "RB", recurrent);
  if (p.recurrent_bias) p.candidate_bias = row(writer, "RB_candidate", std::span(recurrent).last(inner));
}

// What LSTM and RNN hand to their activations, and a GRU to those of its gates.
ValueId gate_sums(StepWriter& w, const CellParameters& p, const std::string& at, ValueId projected, MaybeValue hidden) {
  const ValueId sum = hidden ? w.binary("Add", at + "sum", projected, w.product(at + "recurrent", *hidden, p.recurrent_weights)) : projected;
  return w.clip(at + "clipped", sum, p.recurrent.clip);
}

CellState rnn_step(StepWriter& w, const CellParameters& p, const std::string& at, ValueId projected, const CellState& before) {
  return {w.activation(at + "hidden", gate_sums(w, p, at, projected, before.hidden), p.activations[0]), std::nullopt};
}

// Gates in the order input, output, forget, cell: the first three have the same activation and are computed together.
CellState lstm_step(StepWriter& w, const CellParameters& p, const std::string& at, ValueId projected, const CellState& before) {
  const int64_t n = p.recurrent.hidden;
  const auto sums = w.parts(at + "sums_split", gate_sums(w, p, at, projected, before.hidden), 1, {3 * n, n}, {at + "gate_sums", at + "candidate_sum"});
  const bool own_forget = before.cell.has_value() && !p.recurrent.flag;
  const auto gates = w.parts(at + "gates_split", w.activation(at + "gates", sums[0], p.activations[0]), 1, {n, n, n},
                             {at + "input_gate", at + "output_gate", own_forget ? at + "forget_gate" : ""});
  const ValueId candidate = w.activation(at + "candidate", sums[1], p.activations[1]);
  const std::string cell_name = at + "cell";
  ValueId cell = w.binary("Mul", before.cell ? at + "written" : cell_name, gates[0], candidate);
  if (before.cell) {
    ValueId kept = ir::kNoValue;
    if (own_forget) {
      kept = w.binary("Mul", at + "kept", gates[2], *before.cell);
    } else {  // input_forget: c - i c
      kept = w.binary("Sub", at + "kept", *before.cell, w.binary("Mul", at + "forgotten", gates[0], *before.cell));
    }
    cell = w.binary("Add", cell_name, kept, cell);
  }
  return {w.binary("Mul", at + "hidden", gates[1], w.activation(at + "seen_cell", cell, p.activations[2])), cell};
}

// (1 - z) n + z h, as n + z (h - n)
ValueId mixed(StepWriter& w, const std::string& at, ValueId update, ValueId candidate, MaybeValue hidden) {
  if (!hidden) return w.binary("Sub", at + "hidden", candidate, w.binary("Mul", at + "left_out", update, candidate));
  const ValueId moved = w.binary("Mul", at + "kept", update, w.binary("Sub", at + "difference", *hidden, candidate));
  return w.binary("Add", at + "hidden", candidate, moved);
}

// Without a state: the reset gate has nothing to reset.
CellState gru_first_step(StepWriter& w, const CellParameters& p, const std::string& at, ValueId projected) {
  const int64_t n = p.recurrent.hidden;
  const auto sums = w.parts(at + "sums_split", projected, 1, {n, n, n}, {at + "update_sum", "", at + "candidate_sum"});
  const ValueId update = w.activation(at + "update_gate", w.clip(at + "update_clipped", sums[0], p.recurrent.clip), p.activations[0]);
  const ValueId candidate = w.activation(at + "candidate", w.clip(at + "candidate_clipped", sums[2], p.recurrent.clip), p.activations[1]);
  return {mixed(w, at, update, candidate, std::nullopt), std::nullopt};
}

CellState gru_step(StepWriter& w, const CellParameters& p, const std::string& at, ValueId projected, const CellState& before) {
  if (!before.hidden && !p.candidate_bias) return gru_first_step(w, p, at, projected);
  const int64_t n = p.recurrent.hidden;
  const auto from_input = w.parts(at + "input_split", projected, 1, {2 * n, n}, {at + "gates_from_input", at + "candidate_from_input"});
  ValueId gate_sum = from_input[0];
  MaybeValue reset_product = p.candidate_bias;  // of linear_before_reset: what the reset gate multiplies
  if (before.hidden) {
    ValueId from_state = w.product(at + "recurrent", *before.hidden, p.recurrent_weights, p.recurrent_bias);
    if (resets_product(p.recurrent)) {
      const auto pieces = w.parts(at + "state_split", from_state, 1, {2 * n, n}, {at + "gates_from_state", at + "candidate_from_state"});
      from_state = pieces[0];
      reset_product = pieces[1];
    }
    gate_sum = w.binary("Add", at + "gate_sums", gate_sum, from_state);
  }
  const ValueId both = w.activation(at + "gates", w.clip(at + "gates_clipped", gate_sum, p.recurrent.clip), p.activations[0]);
  const auto gates = w.parts(at + "gates_split", both, 1, {n, n}, {at + "update_gate", at + "reset_gate"});
  ValueId from_past = ir::kNoValue;
  if (resets_state(p.recurrent)) {
    from_past = w.product(at + "candidate_recurrent", w.binary("Mul", at + "reset_state", gates[1], *before.hidden), *p.candidate_weights);
  } else {
    from_past = w.binary("Mul", at + "reset_product", gates[1], *reset_product);
  }
  const ValueId sum = w.binary("Add", at + "candidate_sum", from_input[1], from_past);
  const ValueId candidate = w.activation(at + "candidate", w.clip(at + "candidate_clipped", sum, p.recurrent.clip), p.activations[1]);
  return {mixed(w, at, gates[0], candidate, before.hidden), std::nullopt};
}

}  // namespace

CellParameters cell_parameters(const ir::Graph& graph, const ir::Node& node, const ops::Recurrent& recurrent, int64_t direction,
                               StepWriter& writer) {
  CellParameters p{.recurrent = recurrent,
                   .activations = recurrent.activations.data() + static_cast<size_t>(direction) * recurrent.activations_per_direction()};
  p.input_weights = matrix(writer, "W", of_direction(*constant_input(graph, node, ops::kInputWeights), direction), recurrent.inputs);
  const Floats r = of_direction(*constant_input(graph, node, ops::kRecurrentWeights), direction);
  const auto candidate = resets_state(recurrent) ? static_cast<size_t>(recurrent.hidden * recurrent.hidden) : 0;
  p.recurrent_weights = matrix(writer, "R", std::span(r).first(r.size() - candidate), recurrent.hidden);
  if (candidate > 0) p.candidate_weights = matrix(writer, "R_candidate", std::span(r).last(candidate), recurrent.hidden);
  if (const Tensor* bias = constant_input(graph, node, ops::kGateBiases)) set_biases(p, of_direction(*bias, direction), writer);
  return p;
}

CellState write_step(StepWriter& writer, const CellParameters& parameters, const std::string& step, ValueId projected, const CellState& before) {
  switch (parameters.recurrent.cell) {
    case RecurrentCell::kRnn: return rnn_step(writer, parameters, step, projected, before);
    case RecurrentCell::kGru: return gru_step(writer, parameters, step, projected, before);
    case RecurrentCell::kLstm: return lstm_step(writer, parameters, step, projected, before);
  }
  QTOOL_CHECK(false);
}

}  // namespace qtool::passes
