// From moments to the quadratic that rounding minimises.
//
// With T the float output and X the inputs of the quantized prefix (both centred when a bias can take up the means), the
// best real weights are W' = W + (A - W H)(H + l2 d I)^-1, H = X'X/R, A = T'X/R, d = mean diagonal of H: they undo errors
// made by earlier layers. l2 decides how far they follow the data; it is chosen on rows kept aside. Rounding then
// minimises (v - w') (H + l1 d I) (v - w')' for each channel.
#pragma once

#include <limits>
#include <vector>

#include "problem.h"

namespace qtool::rounding {

inline constexpr double kKeepFloatWeights = std::numeric_limits<double>::infinity();  // l2 of W' = W

class Regression {
 public:
  // Centres when the problem has a bias.
  explicit Regression(const LayerProblem& problem);

  // W' for a ridge l2 > 0, [channels][inputs].
  [[nodiscard]] std::vector<float> weights(double l2) const;
  // The bias that makes the means of output and target equal; empty when the problem has none.
  [[nodiscard]] std::vector<float> bias_for(std::span<const float> weights) const;
  // Means of the inputs that the bias takes up, [groups][inputs]; zeros when there is none.
  [[nodiscard]] std::vector<float> input_means() const;
  // H + l1 d I of one block, [n][n] float.
  [[nodiscard]] std::vector<float> metric(int64_t block, double l1) const;

  [[nodiscard]] int64_t blocks() const { return moments_.blocks; }
  // Inputs of one block: columns [first, first + count) of the channels [channel, channel + channels).
  struct Extent {
    int64_t first, count, channel, channels;
  };
  [[nodiscard]] Extent extent(int64_t block) const;

 private:
  [[nodiscard]] double covariance(int64_t block, int64_t i, int64_t j) const;
  [[nodiscard]] double mean_diagonal(int64_t block) const;

  const LayerProblem& problem_;
  const Moments& moments_;
  double rows_;
  bool centred_;
};

}  // namespace qtool::rounding
