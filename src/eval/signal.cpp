#include "qtool/eval/signal.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/support/error.h"

namespace qtool::eval {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}  // namespace

void SignalSums::add(std::span<const float> reference, std::span<const float> test) {
  QTOOL_CHECK(reference.size() == test.size());
  elements += static_cast<int64_t>(reference.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i], t = test[i];
    if (!std::isfinite(r) || !std::isfinite(t)) {
      ++non_finite;
      continue;
    }
    const double difference = r - t;
    reference_power += r * r;
    test_power += t * t;
    product += r * t;
    noise_power += difference * difference;
    max_abs_difference = std::max(max_abs_difference, std::fabs(difference));
  }
}

void SignalSums::merge(const SignalSums& other) {
  reference_power += other.reference_power;
  test_power += other.test_power;
  product += other.product;
  noise_power += other.noise_power;
  max_abs_difference = std::max(max_abs_difference, other.max_abs_difference);
  elements += other.elements;
  non_finite += other.non_finite;
}

double SignalSums::sqnr_db() const {
  if (noise_power == 0) return kInfinity;
  if (reference_power == 0) return -kInfinity;
  return 10.0 * std::log10(reference_power / noise_power);
}

double SignalSums::cosine() const {
  if (reference_power == 0 && test_power == 0) return 1.0;
  if (reference_power == 0 || test_power == 0) return 0.0;
  const double cosine = product / (std::sqrt(reference_power) * std::sqrt(test_power));
  return std::clamp(cosine, -1.0, 1.0);  // rounding
}

}  // namespace qtool::eval
