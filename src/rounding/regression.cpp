#include "regression.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Map = Eigen::Map<Matrix>;
using ConstMap = Eigen::Map<const Matrix>;

constexpr double kSmallestDiagonal = 1e-12;  // of a block that never saw anything but a constant

}  // namespace

Regression::Regression(const LayerProblem& problem)
    : problem_(problem), moments_(problem.data.fit), rows_(static_cast<double>(std::max<int64_t>(problem.data.fit.rows, 1))),
      centred_(!problem.bias.empty()) {}

Regression::Extent Regression::extent(int64_t block) const {
  const LayerShape& s = moments_.shape;
  if (!moments_.cut()) return {0, s.inputs, block * s.outputs, s.outputs};
  const int64_t first = block * moments_.block_inputs;
  return {first, std::min(moments_.block_inputs, s.inputs - first), 0, s.outputs};
}

double Regression::covariance(int64_t block, int64_t i, int64_t j) const {
  const int64_t k = moments_.block_inputs;
  const double raw = moments_.xx[static_cast<size_t>((block * k + i) * k + j)] / rows_;
  if (!centred_) return raw;
  const double* mean = moments_.x.data() + block * k;
  return raw - mean[i] / rows_ * (mean[j] / rows_);
}

double Regression::mean_diagonal(int64_t block) const {
  const int64_t n = extent(block).count;
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += covariance(block, i, i);
  return std::max(sum / static_cast<double>(n), kSmallestDiagonal);
}

std::vector<float> Regression::metric(int64_t block, double l1) const {
  const int64_t n = extent(block).count;
  const double ridge = l1 * mean_diagonal(block);
  std::vector<float> h(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) h[static_cast<size_t>(i * n + j)] = static_cast<float>(covariance(block, i, j) + (i == j ? ridge : 0.0));
  }
  return h;
}

std::vector<float> Regression::weights(double l2) const {
  std::vector<float> result = problem_.weights;
  // Cross moments belong to whole rows; a layer cut into blocks keeps its weights.
  if (std::isinf(l2) || moments_.cut()) return result;
  parallel_for(blocks(), problem_.threads, [&](int64_t block, int) {
    const Extent e = extent(block);
    const std::vector<float> plain = metric(block, 0.0), ridged = metric(block, l2);
    const ConstMap h(plain.data(), e.count, e.count), hr(ridged.data(), e.count, e.count);
    const ConstMap w(problem_.weights.data() + e.channel * e.count, e.channels, e.count);
    Matrix pull(e.channels, e.count);
    const double* mean = moments_.x.data() + block * e.count;
    for (int64_t o = 0; o < e.channels; ++o) {
      const double target_mean = centred_ ? moments_.t[static_cast<size_t>(e.channel + o)] / rows_ : 0.0;
      for (int64_t i = 0; i < e.count; ++i) {
        const double raw = moments_.tx[static_cast<size_t>((e.channel + o) * e.count + i)] / rows_;
        pull(o, i) = static_cast<float>(raw - (centred_ ? target_mean * (mean[i] / rows_) : 0.0));
      }
    }
    pull.noalias() -= w * h;
    const Eigen::LLT<Matrix> factor(hr);
    if (factor.info() != Eigen::Success) return;  // numerically singular: keep the float weights
    const Matrix step = factor.solve(pull.transpose()).transpose();
    if (!step.allFinite()) return;
    Map(result.data() + e.channel * e.count, e.channels, e.count) += step;
  });
  return result;
}

std::vector<float> Regression::bias_for(std::span<const float> weights) const {
  std::vector<float> bias;
  if (!centred_) return bias;
  const LayerShape& s = moments_.shape;
  for (int64_t c = 0; c < s.channels(); ++c) {
    double value = moments_.t[static_cast<size_t>(c)];
    const double* x = moments_.x.data() + c / s.outputs * s.inputs;
    for (int64_t i = 0; i < s.inputs; ++i) value -= static_cast<double>(weights[static_cast<size_t>(c * s.inputs + i)]) * x[i];
    bias.push_back(static_cast<float>(value / rows_));
  }
  return bias;
}

std::vector<float> Regression::input_means() const {
  std::vector<float> means(moments_.x.size(), 0.0f);
  for (size_t i = 0; centred_ && i < means.size(); ++i) means[i] = static_cast<float>(moments_.x[i] / rows_);
  return means;
}

}  // namespace qtool::rounding
