#include "normalize.h"

#include <cmath>

namespace qtool::ops {

Moments moments(std::span<const double> values, double epsilon) {
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  double sum = 0.0, squares = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, 1.0 / std::sqrt(squares / count + epsilon)};
}

Moments normalize(std::span<double> values, double epsilon) {
  const Moments result = moments(values, epsilon);
  for (double& value : values) value = (value - result.mean) * result.inverse_deviation;
  return result;
}

}  // namespace qtool::ops
