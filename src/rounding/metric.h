// The quadratic form v'Hv of one block, factored for successive rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qtool::rounding {

class Metric {
 public:
  // h: symmetric positive definite, [n][n].
  Metric(std::vector<float> h, int64_t n);

  [[nodiscard]] int64_t size() const { return n_; }
  [[nodiscard]] const float* row(int64_t k) const { return h_.data() + k * n_; }
  [[nodiscard]] const float* data() const { return h_.data(); }
  [[nodiscard]] float diagonal(int64_t k) const { return h_[static_cast<size_t>(k * n_ + k)]; }

  // H with rows and columns in order() is U'U; U upper triangular, row-major. Empty when the factorization failed
  // numerically: successive rounding is then plain rounding.
  [[nodiscard]] const std::vector<float>& upper() const { return upper_; }
  // Ascending diagonal: successive rounding works from the back, the most energetic input first.
  [[nodiscard]] const std::vector<int64_t>& order() const { return order_; }

 private:
  int64_t n_;
  std::vector<float> h_, upper_;
  std::vector<int64_t> order_;
};

}  // namespace qtool::rounding
