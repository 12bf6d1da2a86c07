// Moments of a run of values, shared by the normalization operators.
#pragma once

#include <span>

#include "real_values.h"

namespace qtool::ops {

struct Moments {
  double mean = 0.0;
  double inverse_deviation = 0.0;  // 1 / sqrt(population variance + epsilon)
};

// Two passes: the variance is taken around the exact mean. Empty runs give zeros.
[[nodiscard]] Moments moments(std::span<const double> values, double epsilon);
// values = (values - mean) * inverse_deviation, in place.
Moments normalize(std::span<double> values, double epsilon);

}  // namespace qtool::ops
