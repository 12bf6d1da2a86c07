#include "coupling_depthwise.h"

#include <Eigen/Cholesky>
#include <algorithm>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"
#include "refit.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kAtOnce = 32;          // channels whose view of the others is one matrix product
constexpr int kSweeps = 3;
constexpr double kLeastGain = 1e-4;      // of a channel's loss; less is rounding of the sums

class Coupled {
 public:
  Coupled(const CoupledDepthwise& problem, std::vector<ChannelState>& states)
      : p_(problem), states_(states), n_(static_cast<int64_t>(states.size())), k_(static_cast<int64_t>(problem.weights.size()) / n_), rows_(problem.rows.count),
        g_(ridged_coupling(problem.coupling, n_)), errors_(static_cast<size_t>(rows_ * n_)), seen_(static_cast<size_t>(rows_ * kAtOnce)) {
    parallel_for(n_, p_.threads, [&](int64_t c, int) { measure(c, errors_.data() + c, n_); });
  }

  bool run() {
    bool changed = false;
    for (int sweep = 0; sweep < kSweeps && improve_all(); ++sweep) changed = true;
    return changed;
  }

 private:
  float g(int64_t a, int64_t b) const { return g_[static_cast<size_t>(a * n_ + b)]; }
  const float* inputs(int64_t row, int64_t c) const { return p_.rows.x.data() + (row * n_ + c) * k_; }

  // Errors of a channel's outputs without their mean.
  void measure(int64_t c, float* out, int64_t stride) const {
    const ChannelState& state = states_[static_cast<size_t>(c)];
    std::vector<float> d(static_cast<size_t>(k_));
    float mean = 0.0f;
    for (int64_t k = 0; k < k_; ++k) {
      const auto at = static_cast<size_t>(c * k_ + k);
      d[static_cast<size_t>(k)] = state.step(k) * state.levels[static_cast<size_t>(k)] - p_.weights[at];
      mean += d[static_cast<size_t>(k)] * p_.means[at];
    }
    for (int64_t r = 0; r < rows_; ++r) {
      const float* x = inputs(r, c);
      float sum = -mean;
      for (int64_t k = 0; k < k_; ++k) sum += d[static_cast<size_t>(k)] * x[k];
      out[r * stride] = sum;
    }
  }

  bool improve_all() {
    bool changed = false;
    std::vector<float> fresh(static_cast<size_t>(rows_));
    for (int64_t first = 0; first < n_; first += kAtOnce) {
      const int64_t count = std::min(kAtOnce, n_ - first);
      exec::matrix_product(rows_, count, n_, {errors_.data(), n_}, {g_.data() + first, n_}, 0.0f, seen_.data(), kAtOnce);
      for (int64_t i = 0; i < count; ++i) {
        if (!improve(first + i, i)) continue;
        changed = true;
        measure(first + i, fresh.data(), 1);
        replace_errors(first, i, count, fresh);
      }
    }
    return changed;
  }

  // Channels behind the i-th of the group at `first` see its new errors.
  void replace_errors(int64_t first, int64_t i, int64_t count, const std::vector<float>& fresh) {
    const int64_t c = first + i;
    for (int64_t r = 0; r < rows_; ++r) {
      float& error = errors_[static_cast<size_t>(r * n_ + c)];
      const float change = fresh[static_cast<size_t>(r)] - error;
      error = fresh[static_cast<size_t>(r)];
      for (int64_t j = i + 1; j < count; ++j) seen_[static_cast<size_t>(r * kAtOnce + j)] += change * g(c, first + j);
    }
  }

  // Mean over rows of x times what the other channels do, in units of G_cc.
  Eigen::VectorXd pull_of_others(int64_t c, int64_t i) const {
    Eigen::VectorXd pull = Eigen::VectorXd::Zero(k_);
    const float* mean = p_.means.data() + c * k_;
    for (int64_t r = 0; r < rows_; ++r) {
      const auto others = static_cast<double>(seen_[static_cast<size_t>(r * kAtOnce + i)] / g(c, c) - errors_[static_cast<size_t>(r * n_ + c)]);
      const float* x = inputs(r, c);
      for (int64_t k = 0; k < k_; ++k) pull[k] += others * static_cast<double>(x[k] - mean[k]);
    }
    return pull / static_cast<double>(rows_);
  }

  // True when the channel was rounded anew: the target moves by what others leave, (w - H^-1 pull).
  bool improve(int64_t c, int64_t i) {
    const Metric& metric = *p_.metrics[static_cast<size_t>(c)];
    const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> h(metric.data(), k_, k_);
    const Eigen::VectorXd shift = h.cast<double>().ldlt().solve(pull_of_others(c, i));
    if (!shift.allFinite()) return false;
    std::vector<float> target(static_cast<size_t>(k_));
    for (int64_t k = 0; k < k_; ++k) target[static_cast<size_t>(k)] = p_.weights[static_cast<size_t>(c * k_ + k)] - static_cast<float>(shift[k]);
    const Descent solver(metric, target);
    ChannelState& kept = states_[static_cast<size_t>(c)];
    double least = solver.loss_from_levels(0, kept) * (1.0 - kLeastGain);
    std::vector<double> scales = {kept.scale};
    for (const double factor : p_.scales.factors) scales.push_back(factor * p_.scales.covering[static_cast<size_t>(c)]);
    bool better = false;
    const LevelBounds bounds = kept.bounds;
    for (const double scale : scales) {
      std::vector<ChannelState> trial = {{.scale = scale, .bounds = bounds}};
      solver.start(0, trial);
      refit(solver, 0, trial[0], p_.scales.covering[static_cast<size_t>(c)], p_.scales.refits);
      const double loss = solver.loss(0, trial[0]);
      if (loss >= least) continue;
      least = loss;
      kept = std::move(trial[0]);
      better = true;
    }
    return better;
  }

  const CoupledDepthwise& p_;
  std::vector<ChannelState>& states_;
  int64_t n_, k_, rows_;
  std::vector<float> g_, errors_, seen_;  // errors [rows][channels]; seen: G e of the present channels, [rows][kAtOnce]
};

}  // namespace

bool round_coupled_depthwise(const CoupledDepthwise& problem, std::vector<ChannelState>& states) { return Coupled(problem, states).run(); }

}  // namespace qtool::rounding
