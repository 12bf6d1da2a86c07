// Closed-form scales between rounds of descent.
#pragma once

#include "descent.h"

namespace qtool::rounding {

// A refit outside this share of the covering scale belongs to a channel whose levels are nearly all zero.
[[nodiscard]] inline bool acceptable(const Descent::Fraction& scale, double covering) {
  if (!(scale.denominator > 0.0)) return false;
  const double factor = scale.numerator / scale.denominator / covering;
  return factor >= 0.3 && factor <= 3.0;
}

// Scale, then levels, `times` over or until a scale is refused.
inline void refit(const Descent& solver, int64_t channel, ChannelState& state, double covering, int times) {
  for (int i = 0; i < times; ++i) {
    const Descent::Fraction best = solver.best_scale(channel, state);
    if (!acceptable(best, covering)) return;
    solver.rescale(channel, state, best.numerator / best.denominator);
    solver.descend(state);
  }
}

}  // namespace qtool::rounding
