// Rounding half to even in a form that compilers vectorize.
#pragma once

namespace qtool::quant {

// As std::nearbyint in the default mode, for |x| < 2^51: adding 1.5 * 2^52 leaves no bits for a fraction.
inline double round_half_even(double x) {
  constexpr double kShift = 0x1.8p52;
  return (x + kShift) - kShift;
}

}  // namespace qtool::quant
