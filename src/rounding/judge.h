// Output error of candidate weights on rows that no candidate was fitted on.
#pragma once

#include "problem.h"

namespace qtool::rounding {

class Judge {
 public:
  explicit Judge(const LayerProblem& problem);
  // Sum of (a(W x + b) - a(t))^2 over sum of (a(t) - mean)^2, a: the activation, mean: of each channel. Compare only
  // within one layer. `bias` may be empty (zero).
  [[nodiscard]] double error(std::span<const float> weights, std::span<const float> bias) const;

 private:
  const LayerProblem& problem_;
  const Rows& rows_;
  std::vector<float> target_;  // after the activation
  double power_ = 0.0;
};

}  // namespace qtool::rounding
