#include "sequential_mse.h"

#include <algorithm>
#include <cmath>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"
#include "regression.h"
#include "solve_layer.h"

namespace qtool::rounding {

namespace {

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

quant::Encoding sequential_mse(const LayerProblem& problem, int candidates) {
  LayerProblem uncentred = problem;  // biases are not touched, so means count
  uncentred.bias.clear();
  const Regression regression(uncentred);
  std::vector<std::vector<float>> metrics;
  for (int64_t block = 0; block < regression.blocks(); ++block) metrics.push_back(regression.metric(block, 0.0));
  const size_t grids = problem.encoding.grids.size();
  std::vector<std::vector<double>> errors(static_cast<size_t>(candidates), std::vector<double>(grids, 0.0));
  const auto scaled = [&](int i) {
    quant::Encoding encoding = problem.encoding;
    for (quant::Grid& grid : encoding.grids) grid.scale *= static_cast<double>(i + 1) / candidates;
    return encoding;
  };
  parallel_for(candidates, problem.threads, [&](int64_t i, int) {
    LayerProblem trial = uncentred;
    const std::vector<double> found = output_errors(trial, scaled(static_cast<int>(i)), metrics, regression);
    for (size_t c = 0; c < found.size(); ++c) errors[static_cast<size_t>(i)][problem.grid_of(static_cast<int64_t>(c))] += found[c];
  });
  quant::Encoding best = problem.encoding;
  std::vector<double> least = errors.back();  // the base scale, kept on a tie
  for (int i = candidates - 2; i >= 0; --i) {
    for (size_t g = 0; g < grids; ++g) {
      if (errors[static_cast<size_t>(i)][g] >= least[g]) continue;
      least[g] = errors[static_cast<size_t>(i)][g];
      best.grids[g].scale = scaled(i).grids[g].scale;
    }
  }
  return best;
}

}  // namespace qtool::rounding
