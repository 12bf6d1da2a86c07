#include "descent.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "qtool/exec/matrix_product.h"
#include "vector_loops.h"

namespace qtool::rounding {

Descent::Descent(const Metric& metric, std::span<const float> weights)
    : metric_(metric), weights_(weights), channels_(static_cast<int64_t>(weights.size()) / metric.size()), pull_(weights.size()) {
  const int64_t n = metric.size();
  exec::matrix_product(channels_, n, n, {weights.data(), n}, {metric.data(), n}, 0.0f, pull_.data(), n);
}

void Descent::start(int64_t first, std::span<ChannelState> states) const {
  for (ChannelState& state : states) {
    state.levels.assign(static_cast<size_t>(metric_.size()), 0.0f);
    state.gradient.assign(static_cast<size_t>(metric_.size()), 0.0f);
  }
  const bool one_step = std::all_of(states.begin(), states.end(), [](const ChannelState& state) { return state.relative == nullptr; });
  if (metric_.size() <= kEnumerated && one_step) {
    for (size_t i = 0; i < states.size(); ++i) enumerate(first + static_cast<int64_t>(i), states[i]);
  } else {
    round_successively(first, states);
  }
  refresh_gradients(first, states);
  for (ChannelState& state : states) descend(state);
}

void Descent::round_successively(int64_t first, std::span<ChannelState> states) const {
  const int64_t n = metric_.size();
  const bool factored = !metric_.upper().empty();
  std::vector<float> errors(static_cast<size_t>(n * kLanes), 0.0f);  // w - s q in the metric's order
  std::array<float, kLanes> sums{};
  for (int64_t k = n - 1; k >= 0; --k) {
    const float* row = factored ? metric_.upper().data() + k * n : nullptr;
    if (factored) lane_products(row + k + 1, errors.data() + (k + 1) * kLanes, n - k - 1, sums.data());
    const int64_t input = metric_.order()[static_cast<size_t>(k)];
    for (size_t l = 0; l < states.size(); ++l) {
      ChannelState& state = states[l];
      const float scale = state.step(input);
      const float weight = weights_of(first + static_cast<int64_t>(l))[input];
      const float wanted = weight + (factored ? sums[l] / row[k] : 0.0f);
      const float level = std::clamp(std::nearbyint(wanted / scale), state.bounds.lowest, state.bounds.highest);
      state.levels[static_cast<size_t>(input)] = level;
      errors[static_cast<size_t>(k) * kLanes + l] = weight - scale * level;
    }
  }
}

// All 2^n choices in Gray order, so that consecutive ones differ in one weight.
void Descent::enumerate(int64_t channel, ChannelState& state) const {
  const auto n = static_cast<size_t>(metric_.size());
  const float* weight = weights_of(channel);
  std::array<double, kEnumerated> error{}, gradient{}, low{};
  for (size_t k = 0; k < n; ++k) {
    low[k] = std::clamp(std::floor(static_cast<double>(weight[k]) / state.scale), static_cast<double>(state.bounds.lowest),
                        static_cast<double>(state.bounds.highest) - 1.0);
    error[k] = state.scale * low[k] - static_cast<double>(weight[k]);
  }
  double value = 0.0;
  for (size_t k = 0; k < n; ++k) {
    for (size_t j = 0; j < n; ++j) gradient[k] += static_cast<double>(metric_.row(static_cast<int64_t>(k))[j]) * error[j];
    value += error[k] * gradient[k];
  }
  uint32_t up = 0, best = 0;
  double best_value = value;
  for (uint32_t step = 1; step < (1u << n); ++step) {
    const auto k = static_cast<size_t>(__builtin_ctz(step));
    const double move = (up >> k & 1u) != 0 ? -state.scale : state.scale;
    up ^= 1u << k;
    const float* row = metric_.row(static_cast<int64_t>(k));
    value += move * (2.0 * gradient[k] + move * static_cast<double>(row[k]));
    for (size_t j = 0; j < n; ++j) gradient[j] += move * static_cast<double>(row[j]);
    if (value < best_value) {
      best_value = value;
      best = up;
    }
  }
  for (size_t k = 0; k < n; ++k) state.levels[k] = static_cast<float>(low[k]) + static_cast<float>(best >> k & 1u);
}

void Descent::refresh_gradients(int64_t first, std::span<ChannelState> states) const {
  const int64_t n = metric_.size(), count = static_cast<int64_t>(states.size());
  std::vector<float> errors(static_cast<size_t>(count * n)), products(errors.size());
  for (int64_t l = 0; l < count; ++l) {
    const ChannelState& state = states[static_cast<size_t>(l)];
    const float* weight = weights_of(first + l);
    for (int64_t k = 0; k < n; ++k) {
      errors[static_cast<size_t>(l * n + k)] = state.step(k) * state.levels[static_cast<size_t>(k)] - weight[k];
    }
  }
  exec::matrix_product(count, n, n, {errors.data(), n}, {metric_.data(), n}, 0.0f, products.data(), n);
  for (int64_t l = 0; l < count; ++l) {
    std::copy_n(products.data() + l * n, n, states[static_cast<size_t>(l)].gradient.data());
  }
}

void Descent::descend(ChannelState& state) const {
  const int64_t n = metric_.size();
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool moved = false;
    for (int64_t k = 0; k < n; ++k) {
      float& level = state.levels[static_cast<size_t>(k)];
      const float scale = state.step(k);
      const float step = -state.gradient[static_cast<size_t>(k)] / (scale * metric_.diagonal(k));
      if (std::abs(step) <= 0.5f) continue;
      const float next = std::clamp(std::nearbyint(level + step), state.bounds.lowest, state.bounds.highest);
      if (next == level) continue;
      add_scaled(state.gradient.data(), scale * (next - level), metric_.row(k), n);
      level = next;
      moved = true;
    }
    if (!moved) return;
  }
}

bool Descent::tabu_search(ChannelState& state) const {
  constexpr double kLeastGain = 1e-5;
  const int64_t n = metric_.size(), moves = std::min(2 * n, kMostMoves), rest = std::min<int64_t>(n / 2, 10 + n / 20);
  std::vector<int64_t> resting_until(static_cast<size_t>(n), -1);
  std::vector<float> best_levels = state.levels, best_gradient = state.gradient;
  double value = 0.0, least = 0.0, largest = 0.0;  // loss relative to the start; of one step alone
  for (int64_t k = 0; k < n; ++k) largest = std::max(largest, static_cast<double>(state.step(k)) * static_cast<double>(state.step(k)) * static_cast<double>(metric_.diagonal(k)));
  for (int64_t move = 0; move < moves; ++move) {
    int64_t chosen = -1;
    double change = INFINITY;
    for (int64_t k = 0; k < n; ++k) {
      const auto at = static_cast<size_t>(k);
      const double step = static_cast<double>(state.step(k)), slope = static_cast<double>(state.gradient[at]);
      const double difference = step * (step * static_cast<double>(metric_.diagonal(k)) - 2.0 * std::abs(slope));
      if (difference >= change || (resting_until[at] >= move && value + difference >= least)) continue;
      if (slope > 0.0 ? state.levels[at] <= state.bounds.lowest : state.levels[at] >= state.bounds.highest) continue;
      change = difference;
      chosen = k;
    }
    if (chosen < 0) break;
    const auto at = static_cast<size_t>(chosen);
    const float direction = state.gradient[at] > 0.0f ? -1.0f : 1.0f;
    state.levels[at] += direction;
    add_scaled(state.gradient.data(), direction * state.step(chosen), metric_.row(chosen), n);
    resting_until[at] = move + rest;
    value += change;
    if (value >= least - kLeastGain * largest) continue;  // less is rounding of the sums
    least = value;
    best_levels = state.levels;
    best_gradient = state.gradient;
  }
  state.levels = std::move(best_levels);
  state.gradient = std::move(best_gradient);
  return least < 0.0;
}

double Descent::loss(int64_t channel, const ChannelState& state) const {
  const float* weight = weights_of(channel);
  double sum = 0.0;
  for (size_t k = 0; k < state.levels.size(); ++k) {
    const double unit = state.relative == nullptr ? 1.0 : static_cast<double>(state.relative[k]);
    sum += (state.scale * unit * static_cast<double>(state.levels[k]) - static_cast<double>(weight[k])) * static_cast<double>(state.gradient[k]);
  }
  return sum;
}

double Descent::loss_from_levels(int64_t channel, ChannelState state) const {
  refresh_gradients(channel, {&state, 1});
  return loss(channel, state);
}

Descent::Fraction Descent::best_scale(int64_t channel, const ChannelState& state) const {
  const float* pull = pull_of(channel);
  Fraction fraction;
  for (size_t k = 0; k < state.levels.size(); ++k) {
    const double unit = state.relative == nullptr ? 1.0 : static_cast<double>(state.relative[k]);
    const double level = unit * static_cast<double>(state.levels[k]), pulled = static_cast<double>(pull[k]);
    fraction.numerator += level * pulled;
    fraction.denominator += level * (static_cast<double>(state.gradient[k]) + pulled) / state.scale;
  }
  return fraction;
}

void Descent::rescale(int64_t channel, ChannelState& state, double scale) const {
  const float* pull = pull_of(channel);
  const auto ratio = static_cast<float>(scale / state.scale);
  for (size_t k = 0; k < state.gradient.size(); ++k) state.gradient[k] = ratio * (state.gradient[k] + pull[k]) - pull[k];
  state.scale = scale;
}

}  // namespace qtool::rounding
