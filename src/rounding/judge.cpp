#include "judge.h"

#include <algorithm>

#include "layer_product.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kRowsAtOnce = 256;

double variation(const std::vector<float>& values, int64_t rows, int64_t channels) {
  double total = 0.0;
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0.0, squares = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const auto v = static_cast<double>(values[static_cast<size_t>(r * channels + c)]);
      sum += v;
      squares += v * v;
    }
    total += std::max(0.0, squares - sum * sum / static_cast<double>(rows));
  }
  return total;
}

}  // namespace

Judge::Judge(const LayerProblem& problem)
    : problem_(problem), rows_(problem.data.judged), target_(problem.data.judged.t) {
  activate(problem.activation, target_);
  power_ = std::max(variation(target_, std::max<int64_t>(rows_.count, 1), problem.shape().channels()), 1e-30);
}

double Judge::error(std::span<const float> weights, std::span<const float> bias) const {
  const LayerShape& shape = problem_.shape();
  const int64_t channels = shape.channels(), pieces = (rows_.count + kRowsAtOnce - 1) / kRowsAtOnce;
  std::vector<double> sums(static_cast<size_t>(pieces), 0.0);
  parallel_for(pieces, problem_.threads, [&](int64_t piece, int) {
    const int64_t first = piece * kRowsAtOnce, count = std::min(kRowsAtOnce, rows_.count - first);
    std::vector<float> y(static_cast<size_t>(count * channels));
    layer_product(shape, weights, bias, rows_.x.data() + first * shape.row(), count, y.data());
    activate(problem_.activation, y);
    const float* target = target_.data() + first * channels;
    double sum = 0.0;
    for (size_t i = 0; i < y.size(); ++i) {
      const double difference = static_cast<double>(y[i]) - static_cast<double>(target[i]);
      sum += difference * difference;
    }
    sums[static_cast<size_t>(piece)] = sum;
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total / power_;
}

}  // namespace qtool::rounding
