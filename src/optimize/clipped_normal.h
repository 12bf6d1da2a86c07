// A normal variable behind an activation that cuts it.
#pragma once

namespace qtool::optimize {

struct NormalMoments {
  double mean = 0.0, deviation = 0.0;
};

// Mean and deviation of min(max(x, low), high), x normal. Infinite bounds cut nothing; deviation 0 gives the cut mean.
// With phi, Phi the standard normal, a = (low - mean) / deviation, b = (high - mean) / deviation:
//   E = low Phi(a) + high (1 - Phi(b)) + mean (Phi(b) - Phi(a)) + deviation (phi(a) - phi(b))
// Source: Nagel et al. 2019, "Data-Free Quantization", appendix C.
[[nodiscard]] NormalMoments clipped_normal(const NormalMoments& x, double low, double high);

}  // namespace qtool::optimize
