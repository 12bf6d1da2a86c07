// From output noise to the loss of accuracy that goes with it, where there are no labels to measure it.
#pragma once

#include <algorithm>
#include <cmath>

namespace qtool::pipeline {

// Points of the headline metric, 0..100, expected at this output noise (optimize::cost_db). A rule of thumb: proportional to
// the noise power, 15 points at 0 dB. Holds within a factor of about three.
// SOURCE Own measurements on 8 classifiers and detectors between 5 and 30 dB.
[[nodiscard]] inline double expected_drop(double noise_db) { return std::min(100.0, 15.0 * std::pow(10.0, -noise_db / 10.0)); }

}  // namespace qtool::pipeline
