#include "metric.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <numeric>

namespace qtool::rounding {

Metric::Metric(std::vector<float> h, int64_t n) : n_(n), h_(std::move(h)), order_(static_cast<size_t>(n)) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  std::iota(order_.begin(), order_.end(), int64_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) { return diagonal(a) < diagonal(b); });
  Matrix permuted(n, n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) permuted(i, j) = row(order_[static_cast<size_t>(i)])[order_[static_cast<size_t>(j)]];
  }
  const Eigen::LLT<Eigen::Ref<Matrix>> factor(permuted);  // in place
  if (factor.info() != Eigen::Success) return;
  upper_.assign(static_cast<size_t>(n * n), 0.0f);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i; j < n; ++j) upper_[static_cast<size_t>(i * n + j)] = permuted(j, i);
  }
}

}  // namespace qtool::rounding
