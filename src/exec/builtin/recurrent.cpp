// RNN, GRU and LSTM: the input part of all steps is one matrix product, each step adds the product of its hidden state.
// Sequences of different lengths, and batches in front of the time, are left to the reference operator.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "qtool/exec/matrix_product.h"
#include "qtool/exec/registry.h"
#include "qtool/ops/recurrent.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

using ops::Recurrent;
using ops::RecurrentActivation;
using ops::RecurrentCell;

void activate(const RecurrentActivation& activation, double clip, float* x, int64_t n) {
  const simd::Kernels& simd = simd::kernels();
  if (std::isfinite(clip)) simd.clip(x, x, n, static_cast<float>(-clip), static_cast<float>(clip));
  if (activation.name == "Sigmoid") return simd.sigmoid(x, x, n);
  if (activation.name == "Tanh") return simd.tanh(x, x, n);
  if (activation.name == "Relu") return simd.relu(x, x, n);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(activation(static_cast<double>(x[i])));
}

// One direction of one call. A row belongs to one member of the batch.
struct Direction {
  const Recurrent& recurrent;
  const RecurrentActivation* activations;
  const float* recurrent_weights;   // [gates * hidden, hidden]
  const float* candidate_bias;      // [hidden], of the hidden state's part; GRU with linear_before_reset, else null
  const float* peephole;            // [3 * hidden] or null
  float* hidden;                    // [batch, hidden]
  float* cell;                      // [batch, hidden]; LSTM
  float* rest;                      // [batch, hidden], free for use in a step

  void apply(size_t which, float* x) const { activate(activations[which], recurrent.clip, x, recurrent.hidden); }

  // Adds the product of `state` with gates [first, first + count) to `sums`, rows `stride` apart.
  void add_product(const float* state, int64_t first, int64_t count, float* sums, int64_t stride, float beta = 1.0f) const {
    const int64_t h = recurrent.hidden;
    matrix_product(recurrent.batch, count * h, h, {state, h}, {recurrent_weights + first * h * h, h, Transposed::kYes}, beta, sums, stride);
  }
};

// y += a * b
void multiply_add(const float* a, const float* b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

void step_rnn(const Direction& d, float* gates) {
  const int64_t h = d.recurrent.hidden;
  d.add_product(d.hidden, 0, 1, gates, h);
  for (int64_t b = 0; b < d.recurrent.batch; ++b) d.apply(0, gates + b * h);
  std::copy_n(gates, d.recurrent.batch * h, d.hidden);
}

void step_gru(const Direction& d, float* gates) {
  const int64_t h = d.recurrent.hidden, stride = 3 * h, batch = d.recurrent.batch;
  d.add_product(d.hidden, 0, 2, gates, stride);
  for (int64_t b = 0; b < batch; ++b) {
    d.apply(0, gates + b * stride);
    d.apply(0, gates + b * stride + h);
    if (!d.recurrent.flag) simd::kernels().mul(gates + b * stride + h, d.hidden + b * h, d.rest + b * h, h);
  }
  if (d.recurrent.flag) d.add_product(d.hidden, 2, 1, d.rest, h, 0.0f);
  else d.add_product(d.rest, 2, 1, gates + 2 * h, stride);
  for (int64_t b = 0; b < batch; ++b) {
    float *update = gates + b * stride, *reset = update + h, *candidate = reset + h, *hidden = d.hidden + b * h;
    if (d.recurrent.flag) {
      simd::kernels().add(d.rest + b * h, d.candidate_bias, d.rest + b * h, h);
      multiply_add(reset, d.rest + b * h, candidate, h);
    }
    d.apply(1, candidate);
    for (int64_t i = 0; i < h; ++i) hidden[i] = (1.0f - update[i]) * candidate[i] + update[i] * hidden[i];
  }
}

void step_lstm(const Direction& d, float* gates) {
  const int64_t h = d.recurrent.hidden, stride = 4 * h;
  d.add_product(d.hidden, 0, 4, gates, stride);
  for (int64_t b = 0; b < d.recurrent.batch; ++b) {
    float *input = gates + b * stride, *output = input + h, *forget = output + h, *next = forget + h;
    float *cell = d.cell + b * h, *hidden = d.hidden + b * h;
    if (d.peephole != nullptr) {
      multiply_add(d.peephole, cell, input, h);
      multiply_add(d.peephole + 2 * h, cell, forget, h);
    }
    d.apply(0, input);
    if (d.recurrent.flag) {
      for (int64_t i = 0; i < h; ++i) forget[i] = 1.0f - input[i];
    } else {
      d.apply(0, forget);
    }
    d.apply(1, next);
    for (int64_t i = 0; i < h; ++i) cell[i] = forget[i] * cell[i] + input[i] * next[i];
    if (d.peephole != nullptr) multiply_add(d.peephole + h, cell, output, h);
    d.apply(0, output);
    std::copy_n(cell, h, hidden);
    activate(d.activations[2], HUGE_VAL, hidden, h);  // the standard clips what enters gates only
    simd::kernels().mul(output, hidden, hidden, h);
  }
}

void step(const Direction& d, float* gates) {
  switch (d.recurrent.cell) {
    case RecurrentCell::kRnn: return step_rnn(d, gates);
    case RecurrentCell::kGru: return step_gru(d, gates);
    case RecurrentCell::kLstm: return step_lstm(d, gates);
  }
}

// Scratch memory of one call, in floats.
struct Scratch {
  int64_t gates, state;
  explicit Scratch(const Recurrent& r) : gates(r.sequence * r.batch * r.gates * r.hidden), state(r.batch * r.hidden) {}
  [[nodiscard]] size_t bytes() const { return static_cast<size_t>(gates + 3 * state) * sizeof(float); }
};

const float* input_at(const KernelArgs& args, size_t slot, int64_t offset) {
  return slot < args.in.size() && args.in[slot] != nullptr ? static_cast<const float*>(args.in[slot]) + offset : nullptr;
}

void begin_state(const float* initial, float* state, int64_t count) {
  if (initial != nullptr) std::copy_n(initial, count, state);
  else std::fill_n(state, count, 0.0f);
}

void end_state(const KernelArgs& args, size_t slot, int64_t offset, const float* state, int64_t count) {
  if (slot < args.out.size() && args.out[slot] != nullptr) std::copy_n(state, count, static_cast<float*>(args.out[slot]) + offset);
}

// The input part of the gates of all steps. What the hidden state's biases add is constant, except where a GRU multiplies it.
void project(const Recurrent& r, const KernelArgs& args, int64_t d, float* gates) {
  const int64_t units = r.gates * r.hidden, rows = r.sequence * r.batch;
  if (const float* bias = input_at(args, ops::kGateBiases, d * 2 * units)) {
    const bool apart = r.cell == RecurrentCell::kGru && r.flag;
    const int64_t joined = apart ? 2 * r.hidden : units;
    simd::kernels().add(bias, bias + units, gates, joined);
    std::copy_n(bias + joined, units - joined, gates + joined);
    for (int64_t row = 1; row < rows; ++row) std::copy_n(gates, units, gates + row * units);
  } else {
    std::fill_n(gates, rows * units, 0.0f);
  }
  matrix_product(rows, units, r.inputs, {input_at(args, ops::kSequence, 0), r.inputs},
                 {input_at(args, ops::kInputWeights, d * units * r.inputs), r.inputs, Transposed::kYes}, 1.0f, gates, units);
}

void run_direction(const Recurrent& r, const KernelArgs& args, int64_t d) {
  const Scratch scratch(r);
  const int64_t units = r.gates * r.hidden, offset = r.state_row(d, 0);
  float* gates = reinterpret_cast<float*>(args.scratch);
  float *hidden = gates + scratch.gates, *cell = hidden + scratch.state, *rest = cell + scratch.state;
  static constexpr float kNone = 0.0f;
  const float* bias = input_at(args, ops::kGateBiases, (d * 2 + 1) * units + 2 * r.hidden);
  std::vector<float> zeros(bias == nullptr ? static_cast<size_t>(r.hidden) : 0, kNone);
  const Direction direction{.recurrent = r,
                            .activations = r.activations.data() + static_cast<size_t>(d) * r.activations_per_direction(),
                            .recurrent_weights = input_at(args, ops::kRecurrentWeights, d * units * r.hidden),
                            .candidate_bias = bias != nullptr ? bias : zeros.data(),
                            .peephole = input_at(args, ops::kPeepholes, d * 3 * r.hidden),
                            .hidden = hidden,
                            .cell = cell,
                            .rest = rest};
  project(r, args, d, gates);
  begin_state(input_at(args, ops::kInitialHidden, offset), hidden, scratch.state);
  if (r.cell == RecurrentCell::kLstm) begin_state(input_at(args, ops::kInitialCell, offset), cell, scratch.state);
  for (int64_t i = 0; i < r.sequence; ++i) {
    const int64_t t = r.runs_backward(d) ? r.sequence - 1 - i : i;
    step(direction, gates + t * r.batch * units);
    end_state(args, 0, r.sequence_row(t, d, 0), hidden, scratch.state);
  }
  end_state(args, 1, offset, hidden, scratch.state);
  end_state(args, 2, offset, cell, scratch.state);
}

std::optional<KernelChoice> recurrent(const KernelRequest& request) {
  if (!request.all_float() || request.has_input(ops::kSequenceLengths)) return std::nullopt;
  const Recurrent r = ops::read_recurrent(request.node, request.input_shape(ops::kSequence), request.input_shape(ops::kInputWeights),
                                          request.input_shape(ops::kRecurrentWeights));
  if ((r.batch_first && r.batch != 1) || r.inputs == 0) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.output_layouts.assign(request.node.outputs.size(), Layout{});
  choice.scratch_bytes = Scratch(r).bytes();
  choice.kernel = make_kernel([r](const KernelArgs& args) {
    for (int64_t d = 0; d < r.directions; ++d) run_direction(r, args, d);
  });
  return choice;
}

}  // namespace

void register_recurrent(Registry& registry) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) registry.add(op, recurrent);
}

}  // namespace qtool::exec
