// RNN, GRU and LSTM: one or two directions, per-sequence lengths, both layouts, all activation functions.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <string>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

enum Slot : size_t { kX, kW, kR, kB, kLengths, kInitialH, kInitialC, kPeephole };

using Activation = std::function<double(double)>;

struct ActivationInfo {
  std::string_view name;
  int parameters;  // how many of alpha and beta it consumes from the attribute lists
  double alpha, beta;
  double (*apply)(double x, double alpha, double beta);
};

const ActivationInfo kActivations[] = {
    {"Relu", 0, 0, 0, [](double x, double, double) { return std::max(x, 0.0); }},
    {"Tanh", 0, 0, 0, [](double x, double, double) { return std::tanh(x); }},
    {"Sigmoid", 0, 0, 0, [](double x, double, double) { return 1.0 / (1.0 + std::exp(-x)); }},
    {"Softsign", 0, 0, 0, [](double x, double, double) { return x / (1.0 + std::abs(x)); }},
    {"Softplus", 0, 0, 0, [](double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }},
    {"LeakyRelu", 1, 0.01, 0, [](double x, double a, double) { return x >= 0.0 ? x : a * x; }},
    {"ThresholdedRelu", 1, 1.0, 0, [](double x, double a, double) { return x >= a ? x : 0.0; }},
    {"Elu", 1, 1.0, 0, [](double x, double a, double) { return x >= 0.0 ? x : a * std::expm1(x); }},
    {"Affine", 2, 1.0, 0, [](double x, double a, double b) { return a * x + b; }},
    {"ScaledTanh", 2, 1.0, 1.0, [](double x, double a, double b) { return a * std::tanh(b * x); }},
    {"HardSigmoid", 2, 0.2, 0.5, [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }},
};

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// The attribute lists hold values only for functions that take them, in the order of the functions.
std::vector<Activation> read_activations(const ir::Node& node, const std::vector<std::string>& fallback, size_t directions) {
  std::vector<std::string> names;
  if (const auto at = node.attributes.find("activations"); at != node.attributes.end()) {
    if (const auto* list = std::get_if<std::vector<std::string>>(&at->second)) names = *list;
  }
  for (size_t d = 0; names.size() < fallback.size() * directions && d < directions; ++d) {
    names.insert(names.end(), fallback.begin(), fallback.end());
  }
  const std::vector<float> alphas = node.attr_floats("activation_alpha"), betas = node.attr_floats("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  std::vector<Activation> result;
  for (const std::string& name : names) {
    const auto* info = std::find_if(std::begin(kActivations), std::end(kActivations),
                                    [&](const ActivationInfo& entry) { return same_name(entry.name, name); });
    if (info == std::end(kActivations)) throw Error(ErrorCode::kUnsupported, format("activation '{}'", name));
    double alpha = info->alpha, beta = info->beta;
    if (info->parameters >= 1 && next_alpha < alphas.size()) alpha = alphas[next_alpha++];
    if (info->parameters >= 2 && next_beta < betas.size()) beta = betas[next_beta++];
    result.push_back([apply = info->apply, alpha, beta](double x) { return apply(x, alpha, beta); });
  }
  return result;
}

struct Sizes {
  int64_t sequence, batch, inputs, directions, hidden;
  bool batch_first;
};

Sizes read_sizes(const ir::Node& node, const Shape& x, const Shape& w, const Shape& r, int64_t gates) {
  const std::string direction = node.attr_string("direction", "forward");
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const bool batch_first = node.attr_int("layout", 0) != 0;
  const bool fits = x.rank() == 3 && w.rank() == 3 && r.rank() == 3 && w[0] == directions && r[0] == directions &&
                    w[2] == x[2] && r[1] == gates * r[2] && w[1] == r[1];
  if (!fits) {
    throw Error(ErrorCode::kInvalidModel, format("weights {} and {} do not fit an input {} in direction '{}'", w.text(),
                                                 r.text(), x.text(), direction));
  }
  return {x[batch_first ? 1 : 0], x[batch_first ? 0 : 1], x[2], directions, r[2], batch_first};
}

Shape sequence_shape(const Sizes& s) {
  return s.batch_first ? Shape{s.batch, s.sequence, s.directions, s.hidden}
                       : Shape{s.sequence, s.directions, s.batch, s.hidden};
}

Shape state_shape(const Sizes& s) {
  return s.batch_first ? Shape{s.batch, s.directions, s.hidden} : Shape{s.directions, s.batch, s.hidden};
}

int64_t sequence_row(const Sizes& s, int64_t t, int64_t d, int64_t b) {
  return (s.batch_first ? (b * s.sequence + t) * s.directions + d : (t * s.directions + d) * s.batch + b) * s.hidden;
}

int64_t state_row(const Sizes& s, int64_t d, int64_t b) {
  return (s.batch_first ? b * s.directions + d : d * s.batch + b) * s.hidden;
}

// Everything one direction needs; pointers into arrays of the evaluation.
struct Direction {
  const Sizes& sizes;
  const double* w;                  // [gates * hidden, inputs]
  const double* r;                  // [gates * hidden, hidden]
  const double* input_bias;         // [gates * hidden]
  const double* recurrent_bias;     // [gates * hidden]
  const double* peephole;           // [3 * hidden] in the order i, o, f; LSTM only
  const Activation* activations;
  double clip;                      // infinity: none
  bool flag;                        // linear_before_reset (GRU), input_forget (LSTM)

  [[nodiscard]] double from_input(int64_t unit, const double* x) const {
    double sum = input_bias[unit];
    for (int64_t i = 0; i < sizes.inputs; ++i) sum += w[unit * sizes.inputs + i] * x[i];
    return sum;
  }
  [[nodiscard]] double from_hidden(int64_t unit, const double* h) const {
    double sum = recurrent_bias[unit];
    for (int64_t i = 0; i < sizes.hidden; ++i) sum += r[unit * sizes.hidden + i] * h[i];
    return sum;
  }
  [[nodiscard]] double activate(size_t which, double x) const { return activations[which](std::clamp(x, -clip, clip)); }
};

struct State {
  Reals hidden;
  Reals cell;  // LSTM only
};

using Step = void (*)(const Direction&, const double* x, State& state);

void step_rnn(const Direction& d, const double* x, State& state) {
  Reals next(state.hidden.size());
  for (size_t j = 0; j < next.size(); ++j) {
    const auto unit = static_cast<int64_t>(j);
    next[j] = d.activate(0, d.from_input(unit, x) + d.from_hidden(unit, state.hidden.data()));
  }
  state.hidden = std::move(next);
}

// Gates in the order z (update), r (reset), h (candidate).
void step_gru(const Direction& d, const double* x, State& state) {
  const int64_t hidden = d.sizes.hidden;
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
    const double recurrent =
        d.flag ? reset[at] * d.from_hidden(unit, before.data()) : d.from_hidden(unit, reset_state.data());
    const double candidate = d.activate(1, d.from_input(unit, x) + recurrent);
    state.hidden[at] = (1.0 - update[at]) * candidate + update[at] * before[at];
  }
}

// Gates in the order i (input), o (output), f (forget), c (cell).
void step_lstm(const Direction& d, const double* x, State& state) {
  const int64_t hidden = d.sizes.hidden;
  const Reals before = state.hidden;
  for (int64_t j = 0; j < hidden; ++j) {
    const auto at = static_cast<size_t>(j);
    const auto gate = [&](int64_t index) {
      return d.from_input(index * hidden + j, x) + d.from_hidden(index * hidden + j, before.data());
    };
    const double old_cell = state.cell[at];
    const double input = d.activate(0, gate(0) + d.peephole[j] * old_cell);
    const double forget = d.flag ? 1.0 - input : d.activate(0, gate(2) + d.peephole[2 * hidden + j] * old_cell);
    const double cell = forget * old_cell + input * d.activate(1, gate(3));
    const double output = d.activate(0, gate(1) + d.peephole[hidden + j] * cell);
    state.cell[at] = cell;
    state.hidden[at] = output * d.activations[2](cell);
  }
}

struct CellKind {
  std::string_view type;
  int64_t gates;
  std::vector<std::string> activations;
  std::string_view flag;
  Step step;
  bool has_cell;
};

const CellKind& cell_kind(const ir::Node& node) {
  static const CellKind kinds[] = {
      {"RNN", 1, {"Tanh"}, "", step_rnn, false},
      {"GRU", 3, {"Sigmoid", "Tanh"}, "linear_before_reset", step_gru, false},
      {"LSTM", 4, {"Sigmoid", "Tanh", "Tanh"}, "input_forget", step_lstm, true},
  };
  for (const CellKind& kind : kinds) {
    if (kind.type == node.op_type) return kind;
  }
  throw Error(ErrorCode::kInternal, format("{} is no recurrent operator", node.op_type));
}

InferredTypes infer(const InferContext& context) {
  const CellKind& kind = cell_kind(context.node());
  const Sizes sizes = read_sizes(context.node(), context.shape(kX), context.shape(kW), context.shape(kR), kind.gates);
  const TensorType state{context.dtype(kX), state_shape(sizes)};
  InferredTypes types{TensorType{context.dtype(kX), sequence_shape(sizes)}, state};
  if (kind.has_cell) types.push_back(state);
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

std::vector<int64_t> sequence_lengths(const EvalContext& context, const Sizes& sizes) {
  std::vector<int64_t> lengths(static_cast<size_t>(sizes.batch), sizes.sequence);
  if (context.has_input(kLengths)) lengths = context.input(kLengths).to_int64();
  if (static_cast<int64_t>(lengths.size()) != sizes.batch) throw Error(ErrorCode::kInvalidModel, "sequence_lens does not fit the batch");
  for (const int64_t length : lengths) {
    if (length < 0 || length > sizes.sequence) {
      throw Error(ErrorCode::kInvalidData, format("sequence length {} of {}", length, sizes.sequence));
    }
  }
  return lengths;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const ir::Node& node = context.node();
  const CellKind& kind = cell_kind(node);
  const Tensor& input = context.input(kX);
  const Sizes s = read_sizes(node, input.shape(), context.input(kW).shape(), context.input(kR).shape(), kind.gates);
  const Reals x = to_reals(input), w = to_reals(context.input(kW)), r = to_reals(context.input(kR));
  const int64_t units = kind.gates * s.hidden, state_size = s.directions * s.batch * s.hidden;
  const Reals bias = optional_values(context, kB, s.directions * 2 * units);
  const Reals peephole = optional_values(context, kPeephole, s.directions * 3 * s.hidden);
  Reals last_hidden = optional_values(context, kInitialH, state_size);
  Reals last_cell = optional_values(context, kInitialC, state_size);
  const std::vector<int64_t> lengths = sequence_lengths(context, s);
  const std::vector<Activation> activations = read_activations(node, kind.activations, static_cast<size_t>(s.directions));
  const double clip = node.has_attribute("clip") ? static_cast<double>(node.attr_float("clip", 0.0f)) : HUGE_VAL;

  Reals y(static_cast<size_t>(sequence_shape(s).element_count()), 0.0);
  for (int64_t d = 0; d < s.directions; ++d) {
    const Direction direction{s,
                              w.data() + d * units * s.inputs,
                              r.data() + d * units * s.hidden,
                              bias.data() + d * 2 * units,
                              bias.data() + (d * 2 + 1) * units,
                              peephole.data() + d * 3 * s.hidden,
                              activations.data() + d * static_cast<int64_t>(kind.activations.size()),
                              clip,
                              !kind.flag.empty() && node.attr_int(kind.flag, 0) != 0};
    const bool backward = d == 1 || node.attr_string("direction", "forward") == "reverse";
    for (int64_t b = 0; b < s.batch; ++b) {
      const auto first = last_hidden.begin() + state_row(s, d, b), first_cell = last_cell.begin() + state_row(s, d, b);
      State state{Reals(first, first + s.hidden), Reals(first_cell, first_cell + s.hidden)};
      const int64_t length = lengths[static_cast<size_t>(b)];
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = backward ? length - 1 - i : i;
        kind.step(direction, x.data() + (s.batch_first ? b * s.sequence + t : t * s.batch + b) * s.inputs, state);
        std::copy(state.hidden.begin(), state.hidden.end(), y.begin() + sequence_row(s, t, d, b));
      }
      std::copy(state.hidden.begin(), state.hidden.end(), first);
      std::copy(state.cell.begin(), state.cell.end(), first_cell);
    }
  }
  std::vector<Tensor> outputs{from_reals(input.dtype(), sequence_shape(s), y),
                              from_reals(input.dtype(), state_shape(s), last_hidden)};
  if (kind.has_cell) outputs.push_back(from_reals(input.dtype(), state_shape(s), last_cell));
  return outputs;
}

}  // namespace

void register_recurrent(Registry& registry) {
  registry.add({.type = "RNN", .first_opset = 7, .infer = infer, .evaluate = evaluate});
  registry.add({.type = "GRU", .first_opset = 7, .infer = infer, .evaluate = evaluate});
  registry.add({.type = "LSTM", .first_opset = 7, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
