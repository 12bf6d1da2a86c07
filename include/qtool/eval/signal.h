// How far one signal is from another: the yardsticks that need no labels.
#pragma once

#include <cstdint>
#include <span>

namespace qtool::eval {

// Sums over elements, in double. Pairs with a value that is not finite are counted and left out.
struct SignalSums {
  double reference_power = 0;  // sum of r^2
  double test_power = 0;       // sum of t^2
  double product = 0;          // sum of r*t
  double noise_power = 0;      // sum of (r-t)^2
  double max_abs_difference = 0;
  int64_t elements = 0;
  int64_t non_finite = 0;

  void add(std::span<const float> reference, std::span<const float> test);
  void merge(const SignalSums& other);

  // 10 log10(sum r^2 / sum (r-t)^2). +inf without noise, -inf when only the reference is all zero.
  [[nodiscard]] double sqnr_db() const;
  // -1..1; 1 when both are all zero, 0 when one is.
  [[nodiscard]] double cosine() const;
};

}  // namespace qtool::eval
