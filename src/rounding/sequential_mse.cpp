#include "sequential_mse.h"

#include <algorithm>
#include <cmath>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"
#include "regression.h"
#include "solve_layer.h"

namespace qtool::rounding {

namespace {

constexpr int kCandidates = 20;

// e'He of every channel, e: what nearest rounding on `encoding` does to the weights.
std::vector<double> output_errors(LayerProblem& problem, const quant::Encoding& encoding, const std::vector<std::vector<float>>& metrics,
                                  const Regression& regression) {
  problem.encoding = encoding;
  std::vector<float> difference = round_to_nearest(problem).weights;
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= problem.weights[i];
  std::vector<double> errors(static_cast<size_t>(problem.shape().channels()), 0.0);
  const int64_t inputs = problem.shape().inputs;
  std::vector<float> product;
  for (int64_t block = 0; block < regression.blocks(); ++block) {
    const auto e = regression.extent(block);
    const float* base = difference.data() + e.channel * inputs + e.first;
    product.resize(static_cast<size_t>(e.channels * e.count));
    exec::matrix_product(e.channels, e.count, e.count, {base, inputs}, {metrics[static_cast<size_t>(block)].data(), e.count}, 0.0f, product.data(), e.count);
    for (int64_t c = 0; c < e.channels; ++c) {
      for (int64_t k = 0; k < e.count; ++k) {
        errors[static_cast<size_t>(e.channel + c)] += static_cast<double>(base[c * inputs + k]) * static_cast<double>(product[static_cast<size_t>(c * e.count + k)]);
      }
    }
  }
  return errors;
}

}  // namespace

quant::Encoding sequential_mse(const LayerProblem& problem, int first) {
  LayerProblem uncentred = problem;  // biases are not touched, so means count
  uncentred.bias.clear();
  const Regression regression(uncentred);
  std::vector<std::vector<float>> metrics;
  for (int64_t block = 0; block < regression.blocks(); ++block) metrics.push_back(regression.metric(block, 0.0));
  const size_t choices = problem.encoding.per_channel() ? static_cast<size_t>(problem.shape().channels()) : 1;
  const size_t grids = problem.encoding.grids.size() / choices;  // of one choice: several with blocks
  std::vector<std::vector<double>> errors(static_cast<size_t>(kCandidates - first + 1), std::vector<double>(choices, 0.0));
  const auto factor_of = [&](int64_t i) { return static_cast<double>(first + i) / kCandidates; };
  const auto scaled = [&](int64_t i) {
    quant::Encoding encoding = problem.encoding;
    for (size_t c = 0; c < choices; ++c) scale_channel(encoding, c, grids, factor_of(i));
    return encoding;
  };
  parallel_for(static_cast<int64_t>(errors.size()), problem.threads, [&](int64_t i, int) {
    LayerProblem trial = uncentred;
    const std::vector<double> found = output_errors(trial, scaled(i), metrics, regression);
    for (size_t c = 0; c < found.size(); ++c) errors[static_cast<size_t>(i)][choices == 1 ? 0 : c] += found[c];
  });
  quant::Encoding best = problem.encoding;
  std::vector<double> least = errors.back(), factors(choices, 1.0);  // the base scale, kept on a tie
  for (int64_t i = static_cast<int64_t>(errors.size()) - 2; i >= 0; --i) {
    for (size_t c = 0; c < choices; ++c) {
      if (errors[static_cast<size_t>(i)][c] >= least[c]) continue;
      least[c] = errors[static_cast<size_t>(i)][c];
      factors[c] = factor_of(i);
    }
  }
  for (size_t c = 0; c < choices; ++c) scale_channel(best, c, grids, factors[c]);
  return best;
}

void scale_channel(quant::Encoding& encoding, size_t channel, size_t grids, double factor) {
  for (size_t g = channel * grids; g < (channel + 1) * grids; ++g) encoding.grids[g].scale *= factor;
  if (!encoding.low_power) return;
  double& scale = encoding.low_power->channel_scale[channel];
  scale *= factor;
  for (size_t g = channel * grids; g < (channel + 1) * grids; ++g) {
    encoding.grids[g].scale = scale * static_cast<double>(encoding.low_power->block_scale[g]);
  }
}

}  // namespace qtool::rounding
