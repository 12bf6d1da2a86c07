#include "classic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"
#include "sampling.h"

namespace qtool::rounding {

namespace {

constexpr float kZeta = 1.1f, kGamma = -0.1f;  // stretch of the sigmoid, so that 0 and 1 are reached
constexpr int64_t kChannelsAtOnce = 32;
constexpr uint64_t kBatchStream = 0x62617463;

// Adam with its usual constants.
class Adam {
 public:
  Adam(size_t size, double rate) : rate_(rate), mean_(size), square_(size) {}
  void step(std::vector<float>& values, const std::vector<float>& gradient) {
    power1_ *= kDecay1;
    power2_ *= kDecay2;
    const auto correction = static_cast<float>(rate_ * std::sqrt(1.0 - power2_) / (1.0 - power1_));
    for (size_t i = 0; i < values.size(); ++i) {
      mean_[i] += (1.0f - static_cast<float>(kDecay1)) * (gradient[i] - mean_[i]);
      square_[i] += (1.0f - static_cast<float>(kDecay2)) * (gradient[i] * gradient[i] - square_[i]);
      values[i] -= correction * mean_[i] / (std::sqrt(square_[i]) + 1e-8f);
    }
  }

 private:
  static constexpr double kDecay1 = 0.9, kDecay2 = 0.999;
  double rate_, power1_ = 1.0, power2_ = 1.0;
  std::vector<float> mean_, square_;
};

struct Channels {
  int64_t group, first, count;  // first: within the layer
};

// Relaxed rounding of some channels of one group.
class Relaxation {
 public:
  Relaxation(const LayerProblem& problem, const ClassicOptions& options, const Channels& part)
      : problem_(problem), options_(options), part_(part), inputs_(problem.shape().inputs),
        size_(static_cast<size_t>(part.count * inputs_)), floor_(size_), v_(size_), h_(size_), soft_(size_), gradient_(size_),
        adam_(size_, options.learning_rate) {
    for (size_t i = 0; i < size_; ++i) {
      const float ratio = weight(i) / scale(i);
      floor_[i] = std::floor(ratio);
      v_[i] = -std::log((kZeta - kGamma) / (ratio - floor_[i] - kGamma) - 1.0f);
    }
  }

  void iterate(const std::vector<float>& x, const std::vector<float>& target, int64_t rows, double beta) {
    soften();
    const int64_t n = part_.count;
    y_.resize(static_cast<size_t>(rows * n));
    exec::matrix_product(rows, n, inputs_, {x.data(), inputs_}, {soft_.data(), inputs_, exec::Transposed::kYes}, 0.0f, y_.data(), n);
    output_gradient(target, rows);
    exec::matrix_product(n, inputs_, rows, {y_.data(), n, exec::Transposed::kYes}, {x.data(), inputs_}, 0.0f, gradient_.data(), inputs_);
    for (size_t i = 0; i < size_; ++i) gradient_[i] = chain(i, gradient_[i], beta);
    adam_.step(v_, gradient_);
  }

  void write_hard(std::vector<float>& weights) const {
    for (size_t i = 0; i < size_; ++i) {
      const float level = std::clamp(floor_[i] + (v_[i] >= 0.0f ? 1.0f : 0.0f), lowest(i), highest(i));
      weights[static_cast<size_t>(part_.first * inputs_) + i] = on_grid(static_cast<double>(scale(i)), static_cast<double>(level));
    }
  }

 private:
  size_t grid(size_t i) const { return problem_.grid_of(part_.first + static_cast<int64_t>(i) / inputs_, static_cast<int64_t>(i) % inputs_); }
  float weight(size_t i) const { return problem_.weights[static_cast<size_t>(part_.first * inputs_) + i]; }
  float scale(size_t i) const { return static_cast<float>(problem_.encoding.grids[grid(i)].scale); }
  float lowest(size_t i) const { return static_cast<float>(problem_.encoding.lowest_level(grid(i))); }
  float highest(size_t i) const { return static_cast<float>(problem_.encoding.highest_level(grid(i))); }

  void soften() {
    for (size_t i = 0; i < size_; ++i) {
      h_[i] = std::clamp((kZeta - kGamma) / (1.0f + std::exp(-v_[i])) + kGamma, 0.0f, 1.0f);
      soft_[i] = scale(i) * std::clamp(floor_[i] + h_[i], lowest(i), highest(i));
    }
  }

  // y becomes the derivative of the reconstruction loss, a mean over rows, by the layer's output.
  void output_gradient(const std::vector<float>& target, int64_t rows) {
    const int64_t n = part_.count;
    for (int64_t r = 0; r < rows && !problem_.bias.empty(); ++r) {
      for (int64_t c = 0; c < n; ++c) y_[static_cast<size_t>(r * n + c)] += problem_.bias[static_cast<size_t>(part_.first + c)];
    }
    activated_ = y_;
    wanted_ = target;
    activate(problem_.activation, activated_);
    activate(problem_.activation, wanted_);
    const float factor = 2.0f / static_cast<float>(rows);
    for (size_t i = 0; i < y_.size(); ++i) y_[i] = factor * (activated_[i] - wanted_[i]) * derivative(problem_.activation, y_[i]);
  }

  float chain(size_t i, float by_weight, double beta) const {
    const float sigmoid = 1.0f / (1.0f + std::exp(-v_[i]));
    const bool saturated = h_[i] <= 0.0f || h_[i] >= 1.0f;
    if (saturated) return 0.0f;
    const float level = floor_[i] + h_[i];
    const bool clipped = level < lowest(i) || level > highest(i);
    float by_h = clipped ? 0.0f : by_weight * scale(i);
    if (beta > 0.0) {
      const double distance = 2.0 * static_cast<double>(h_[i]) - 1.0;
      by_h -= static_cast<float>(options_.regularization * 2.0 * beta * std::pow(std::abs(distance), beta - 1.0) * (distance < 0.0 ? -1.0 : 1.0));
    }
    return by_h * (kZeta - kGamma) * sigmoid * (1.0f - sigmoid);
  }

  const LayerProblem& problem_;
  const ClassicOptions& options_;
  Channels part_;
  int64_t inputs_;
  size_t size_;
  std::vector<float> floor_, v_, h_, soft_, gradient_, y_, activated_, wanted_;
  Adam adam_;
};

// 0 while the rounding loss is off, then a cosine from beta_start to beta_end.
double beta_at(const ClassicOptions& options, int iteration, int iterations) {
  const double warm = options.warm_start * iterations;
  if (iteration < warm) return 0.0;
  const double progress = (iteration - warm) / std::max(1.0, iterations - warm);
  return options.beta_end + 0.5 * (options.beta_start - options.beta_end) * (1.0 + std::cos(progress * std::numbers::pi));
}

void solve_part(const LayerProblem& problem, const ClassicOptions& options, int iterations, uint64_t seed, uint64_t layer, const Channels& part,
                std::vector<float>& weights) {
  const LayerShape& shape = problem.shape();
  const Rows& all = problem.data.fit_rows;
  const int64_t rows = std::min<int64_t>(options.batch_rows, all.count);
  Relaxation relaxation(problem, options, part);
  std::vector<float> x(static_cast<size_t>(rows * shape.inputs)), t(static_cast<size_t>(rows * part.count));
  for (int iteration = 0; iteration < iterations && rows > 0; ++iteration) {
    for (int64_t r = 0; r < rows; ++r) {
      const auto at = static_cast<int64_t>(hashed(seed ^ kBatchStream, layer, static_cast<uint64_t>(iteration), static_cast<uint64_t>(r)) %
                                           static_cast<uint64_t>(all.count));
      std::copy_n(all.x.data() + at * shape.row() + part.group * shape.inputs, shape.inputs, x.data() + r * shape.inputs);
      std::copy_n(all.t.data() + at * shape.channels() + part.first, part.count, t.data() + r * part.count);
    }
    relaxation.iterate(x, t, rows, beta_at(options, iteration, iterations));
  }
  relaxation.write_hard(weights);
}

}  // namespace

LayerSolution round_classic(const LayerProblem& problem, const ClassicOptions& options, uint64_t seed, uint64_t layer) {
  const LayerShape& shape = problem.shape();
  const int iterations = options.iterations > 0 ? options.iterations : problem.encoding.bits < 8 ? 15000 : 10000;
  std::vector<Channels> parts;
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t c = 0; c < shape.outputs; c += kChannelsAtOnce) {
      parts.push_back({group, group * shape.outputs + c, std::min(kChannelsAtOnce, shape.outputs - c)});
    }
  }
  LayerSolution result{.method = "classic", .weights = problem.weights, .bias = problem.bias, .encoding = problem.encoding};
  parallel_for(static_cast<int64_t>(parts.size()), problem.threads, [&](int64_t i, int) {
    solve_part(problem, options, iterations, seed, layer, parts[static_cast<size_t>(i)], result.weights);
  });
  return result;
}

}  // namespace qtool::rounding
