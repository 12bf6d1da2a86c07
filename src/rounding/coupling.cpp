#include "coupling.h"

#include <algorithm>
#include <cmath>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"
#include "refit.h"
#include "vector_loops.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kAtOnce = 8;                 // channels that do not see each other in the first round
constexpr int kSweeps = 4;
constexpr double kRidge = 0.1;
constexpr int64_t kLongestWithStarts = 1152;   // inputs; longer rows keep the scale they have, trying others costs seconds

class Coupled {
 public:
  Coupled(const CoupledProblem& problem, std::vector<ChannelState>& states)
      : p_(problem), states_(states), n_(static_cast<int64_t>(states.size())), k_(problem.metric.size()),
        g_(ridged_coupling(problem.coupling, n_), n_), all_(problem.metric, problem.weights) {}

  bool run() {
    const std::vector<ChannelState> before = states_;
    const double loss_before = loss();
    round_successively();
    for (int sweep = 0; sweep < kSweeps && descend(); ++sweep) {}
    if (loss() < loss_before) return true;
    states_ = before;
    return false;
  }

 private:
  const float* weights_of(int64_t c) const { return p_.weights.data() + c * k_; }
  double covering(int64_t c) const { return p_.scales.covering[static_cast<size_t>(c)]; }

  void round_successively() {
    if (g_.upper().empty()) return;
    const std::vector<float>& u = g_.upper();
    std::vector<float> errors(static_cast<size_t>(n_ * k_), 0.0f), shifts(static_cast<size_t>(kAtOnce * k_));  // errors: w - s q in the order of g_
    for (int64_t end = n_; end > 0; end -= std::min(end, kAtOnce)) {
      const int64_t first = std::max<int64_t>(0, end - kAtOnce), count = end - first;
      std::fill(shifts.begin(), shifts.end(), 0.0f);
      if (end < n_) exec::matrix_product(count, k_, n_ - end, {u.data() + first * n_ + end, n_}, {errors.data() + end * k_, k_}, 0.0f, shifts.data(), k_);
      parallel_for(count, p_.threads, [&](int64_t i, int) {
        const int64_t position = first + i, c = g_.order()[static_cast<size_t>(position)];
        const float own = u[static_cast<size_t>(position * n_ + position)];
        std::vector<float> target(weights_of(c), weights_of(c) + k_);
        add_scaled(target.data(), 1.0f / own, shifts.data() + i * k_, k_);
        ChannelState& state = states_[static_cast<size_t>(c)];
        state = round_alone(c, state, target);
        for (int64_t k = 0; k < k_; ++k) errors[static_cast<size_t>(position * k_ + k)] = weights_of(c)[k] - state.step(k) * state.levels[static_cast<size_t>(k)];
      });
    }
    refresh_gradients();
  }

  // The best of several start scales, the given one among them.
  ChannelState round_alone(int64_t c, const ChannelState& given, const std::vector<float>& target) const {
    std::vector<ChannelState> starts;
    starts.push_back({.scale = given.scale, .bounds = given.bounds});
    if (k_ <= kLongestWithStarts) {
      for (const double factor : p_.scales.factors) starts.push_back({.scale = factor * covering(c), .bounds = given.bounds});
    }
    std::vector<float> targets;
    for (size_t i = 0; i < starts.size(); ++i) targets.insert(targets.end(), target.begin(), target.end());
    const Descent solver(p_.metric, targets);
    solver.start(0, starts);
    size_t best = 0;
    double least = INFINITY;
    for (size_t i = 0; i < starts.size(); ++i) {
      refit(solver, static_cast<int64_t>(i), starts[i], covering(c), p_.scales.refits);
      const double loss = solver.loss(static_cast<int64_t>(i), starts[i]);
      if (loss >= least) continue;
      least = loss;
      best = i;
    }
    return std::move(starts[best]);
  }

  std::vector<float> errors() const {
    std::vector<float> result(static_cast<size_t>(n_ * k_));
    for (int64_t c = 0; c < n_; ++c) {
      const ChannelState& state = states_[static_cast<size_t>(c)];
      for (int64_t k = 0; k < k_; ++k) result[static_cast<size_t>(c * k_ + k)] = state.step(k) * state.levels[static_cast<size_t>(k)] - weights_of(c)[k];
    }
    return result;
  }

  // H (s q - w) of every channel, as Descent keeps it.
  void refresh_gradients() {
    std::vector<float> products(static_cast<size_t>(n_ * k_));
    exec::matrix_product(n_, k_, k_, {errors().data(), k_}, {p_.metric.data(), k_}, 0.0f, products.data(), k_);
    for (int64_t c = 0; c < n_; ++c) std::copy_n(products.data() + c * k_, k_, states_[static_cast<size_t>(c)].gradient.data());
  }

  // One sweep. Channel c sees the gradient sum over c' of G_cc' / G_cc g_c'; while it alone moves, the others' part stays.
  bool descend() {
    bool moved = false;
    std::vector<float> others(static_cast<size_t>(k_));
    for (int64_t c = 0; c < n_; ++c) {
      const float* row = g_.row(c);
      std::fill(others.begin(), others.end(), 0.0f);
      for (int64_t other = 0; other < n_; ++other) {
        if (other != c) add_scaled(others.data(), row[other] / row[c], states_[static_cast<size_t>(other)].gradient.data(), k_);
      }
      ChannelState& state = states_[static_cast<size_t>(c)];
      const std::vector<float> levels = state.levels;
      add_scaled(state.gradient.data(), 1.0f, others.data(), k_);
      all_.descend(state);
      add_scaled(state.gradient.data(), -1.0f, others.data(), k_);
      rescale(c, state, others);
      moved = moved || levels != state.levels;
    }
    return moved;
  }

  void rescale(int64_t c, ChannelState& state, const std::vector<float>& others) const {
    Descent::Fraction best = all_.best_scale(c, state);
    for (int64_t k = 0; k < k_; ++k) best.numerator -= static_cast<double>(state.levels[static_cast<size_t>(k)]) * static_cast<double>(others[static_cast<size_t>(k)]);
    if (acceptable(best, covering(c))) all_.rescale(c, state, best.numerator / best.denominator);
  }

  double loss() const {
    std::vector<float> gradients, weighted(static_cast<size_t>(n_ * k_));
    for (const ChannelState& state : states_) gradients.insert(gradients.end(), state.gradient.begin(), state.gradient.end());
    exec::matrix_product(n_, k_, n_, {g_.data(), n_}, {gradients.data(), k_}, 0.0f, weighted.data(), k_);
    const std::vector<float> d = errors();
    double sum = 0.0;
    for (size_t i = 0; i < d.size(); ++i) sum += static_cast<double>(d[i]) * static_cast<double>(weighted[i]);
    return sum;
  }

  const CoupledProblem& p_;
  std::vector<ChannelState>& states_;
  int64_t n_, k_;
  Metric g_;
  Descent all_;
};

}  // namespace

bool round_coupled(const CoupledProblem& problem, std::vector<ChannelState>& states) { return Coupled(problem, states).run(); }

std::vector<float> ridged_coupling(std::span<const float> coupling, int64_t channels) {
  std::vector<float> result(coupling.begin(), coupling.end());
  double trace = 0.0;
  for (int64_t c = 0; c < channels; ++c) trace += static_cast<double>(result[static_cast<size_t>(c * channels + c)]);
  const auto ridge = static_cast<float>(std::max(kRidge * trace / static_cast<double>(channels), 1e-30));
  for (int64_t c = 0; c < channels; ++c) result[static_cast<size_t>(c * channels + c)] += ridge;
  return result;
}

}  // namespace qtool::rounding
