#include "clipped_normal.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qtool::optimize {

namespace {

double density(double z) { return std::isinf(z) ? 0.0 : std::exp(-0.5 * z * z) * std::numbers::inv_sqrtpi / std::numbers::sqrt2; }
double distribution(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

// z density(z), which vanishes at infinity.
double moment(double z) { return std::isinf(z) ? 0.0 : z * density(z); }

}  // namespace

NormalMoments clipped_normal(const NormalMoments& x, double low, double high) {
  if (x.deviation <= 0.0) return {std::min(std::max(x.mean, low), high), 0.0};
  const double a = (low - x.mean) / x.deviation, b = (high - x.mean) / x.deviation;
  const double below = distribution(a), above = distribution(-b), inside = std::max(0.0, 1.0 - below - above);
  const double low_part = below > 0.0 && std::isfinite(low) ? low * below : 0.0;
  const double high_part = above > 0.0 && std::isfinite(high) ? high * above : 0.0;
  const double mean = low_part + high_part + x.mean * inside + x.deviation * (density(a) - density(b));
  const double square_inside = (x.mean * x.mean + x.deviation * x.deviation) * inside +
                               2.0 * x.mean * x.deviation * (density(a) - density(b)) +
                               x.deviation * x.deviation * (moment(a) - moment(b));
  const double square = square_inside + low_part * (std::isfinite(low) ? low : 0.0) + high_part * (std::isfinite(high) ? high : 0.0);
  return {mean, std::sqrt(std::max(0.0, square - mean * mean))};
}

}  // namespace qtool::optimize
