// How far a difference of two metrics can be trusted, given that other images might have been drawn.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "qtool/eval/evaluator.h"
#include "qtool/eval/labels.h"

namespace qtool::eval {

// The headline metric as a function of the images that are drawn.
class ResampledMetric {
 public:
  virtual ~ResampledMetric() = default;
  // 0..1 when image i of the labels counts multiplicity[i] times.
  [[nodiscard]] virtual double value(std::span<const int32_t> multiplicity) const = 0;
};

// From what evaluate() kept of every image; equal to result.headline() when each counts once.
// `labels` and `categories` are those of the evaluation; the labels must outlive the metric.
[[nodiscard]] std::unique_ptr<ResampledMetric> resampled_metric(
    const Labels& labels, const EvaluationResult& result,
    std::span<const int64_t> categories = {});

struct BootstrapOptions {
  int64_t resamples = 1000;
  double level = 0.95;
  uint64_t seed = 0;
  int threads = 1;
};
struct Interval {
  double low = 0, high = 0;
};

// The metric of every draw. The result does not depend on the thread count.
[[nodiscard]] std::vector<double> bootstrap_values(const ResampledMetric& metric, int64_t images,
                                                   const BootstrapOptions& options);

// Percentile interval of reference - test, from bootstrap_values() with equal options: both see the
// same images of every draw, which removes what makes an image hard for either.
// SOURCE Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3
[[nodiscard]] Interval bootstrap_drop(std::span<const double> reference, std::span<const double> test,
                                      double level);

}  // namespace qtool::eval
