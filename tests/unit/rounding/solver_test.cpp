#include <gtest/gtest.h>

#include <cmath>

#include "classic.h"
#include "descent.h"
#include "problem_fixture.h"
#include "qtool/quant/quantize.h"
#include "sequential_mse.h"

namespace qtool::rounding {
namespace {

using testing::correlated_rows;
using testing::kAsymmetricW4;
using testing::kChannelW4;
using testing::kTensorW4;
using testing::Layer;
using testing::noise;

Metric random_metric(int64_t n) {
  std::vector<float> h(static_cast<size_t>(n * n), 0.0f);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t s = 0; s < 4; ++s) {
        h[static_cast<size_t>(i * n + j)] += noise(3, static_cast<uint64_t>(s), static_cast<uint64_t>(i)) * noise(3, static_cast<uint64_t>(s), static_cast<uint64_t>(j));
      }
      if (i == j) h[static_cast<size_t>(i * n + j)] += 0.05f;
    }
  }
  return Metric(h, n);
}

double loss_of(const Metric& metric, const std::vector<float>& weights, const std::vector<float>& levels, double scale) {
  double total = 0.0;
  const auto n = static_cast<size_t>(metric.size());
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      total += (scale * levels[i] - weights[i]) * static_cast<double>(metric.row(static_cast<int64_t>(i))[j]) * (scale * levels[j] - weights[j]);
    }
  }
  return total;
}

std::vector<float> random_weights(size_t n) {
  std::vector<float> weights;
  for (size_t i = 0; i < n; ++i) weights.push_back(noise(11, i, 1));
  return weights;
}

TEST(Descent, FewInputsReachTheBestOfAllRoundingsUpAndDown) {
  constexpr size_t kInputs = 8;
  const Metric metric = random_metric(kInputs);
  const std::vector<float> weights = random_weights(kInputs);
  ChannelState state{.scale = 0.15, .bounds = {-8.0f, 7.0f}};
  Descent(metric, weights).start(0, {&state, 1});
  double best = INFINITY;
  for (uint32_t bits = 0; bits < (1u << kInputs); ++bits) {
    std::vector<float> levels;
    for (size_t k = 0; k < kInputs; ++k) levels.push_back(std::floor(weights[k] / 0.15f) + static_cast<float>(bits >> k & 1u));
    best = std::min(best, loss_of(metric, weights, levels, 0.15));
  }
  EXPECT_LE(loss_of(metric, weights, state.levels, 0.15), best * (1.0 + 1e-4));
}

TEST(Descent, EndsWhereNoSingleMoveHelpsAndTellsItsLoss) {
  constexpr size_t kInputs = 40;
  const Metric metric = random_metric(kInputs);
  const std::vector<float> weights = random_weights(kInputs);
  ChannelState state{.scale = 0.2, .bounds = {-3.0f, 3.0f}};
  const Descent descent(metric, weights);
  descent.start(0, {&state, 1});
  const double reached = loss_of(metric, weights, state.levels, 0.2);
  EXPECT_NEAR(descent.loss(0, state), reached, 1e-4);
  for (size_t k = 0; k < kInputs; ++k) {
    for (const float step : {-1.0f, 1.0f}) {
      std::vector<float> moved = state.levels;
      moved[k] += step;
      if (std::abs(moved[k]) > 3.0f) continue;
      EXPECT_GE(loss_of(metric, weights, moved, 0.2), reached - 1e-4);
    }
  }
}

TEST(Descent, ClosedFormScaleIsBetterThanItsNeighbours) {
  constexpr size_t kInputs = 20;
  const Metric metric = random_metric(kInputs);
  const std::vector<float> weights = random_weights(kInputs);
  ChannelState state{.scale = 0.2, .bounds = {-8.0f, 7.0f}};
  const Descent descent(metric, weights);
  descent.start(0, {&state, 1});
  const auto [numerator, denominator] = descent.best_scale(0, state);
  const double best = numerator / denominator;
  const double at_best = loss_of(metric, weights, state.levels, best);
  EXPECT_LE(at_best, loss_of(metric, weights, state.levels, best * 1.01) + 1e-6);
  EXPECT_LE(at_best, loss_of(metric, weights, state.levels, best * 0.99) + 1e-6);
  descent.rescale(0, state, best);
  EXPECT_NEAR(descent.loss(0, state), at_best, 1e-4);
}

void expect_on_grid(const LayerSolution& solution, const LayerProblem& problem) {
  for (size_t i = 0; i < solution.weights.size(); ++i) {
    const size_t g = problem.grid_of(static_cast<int64_t>(i) / problem.shape().inputs, static_cast<int64_t>(i) % problem.shape().inputs);
    const double level = static_cast<double>(solution.weights[i]) / solution.encoding.grids[g].scale;
    ASSERT_NEAR(level, std::round(level), 1e-4);
    ASSERT_GE(level, static_cast<double>(solution.encoding.lowest_level(g)) - 1e-3);
    ASSERT_LE(level, static_cast<double>(solution.encoding.highest_level(g)) + 1e-3);
  }
}

class EveryGrid : public ::testing::TestWithParam<quant::QuantSpec> {};

TEST_P(EveryGrid, DescentHalvesTheErrorOfNearest) {
  for (const LayerShape shape : {LayerShape{1, 30, 20}, LayerShape{3, 12, 5}, LayerShape{12, 9, 1}}) {
    const Layer layer(shape, GetParam(), true);
    LayerErrors errors;
    const LayerSolution found = solve_layer(layer.problem, {}, 0, errors);
    EXPECT_EQ(found.method, "descent");
    EXPECT_LT(found.error, 0.5 * errors.nearest);
    expect_on_grid(found, layer.problem);
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, EveryGrid, ::testing::Values(kChannelW4, kTensorW4, kAsymmetricW4));

// Per-block grids: every block of inputs has its own step, channels are searched by one factor.
TEST(Solver, BlocksKeepTheProportionsOfTheirScales) {
  for (const int decompressed : {0, 8}) {
    const quant::QuantSpec spec{.bits = 4, .symmetry = quant::Symmetry::kSymmetric, .channel_axis = 0, .block_axis = 1, .block_size = 10,
                                .decompressed_bits = decompressed};
    Layer layer({1, 30, 20}, kChannelW4, true);
    std::vector<quant::Range> ranges;
    for (int64_t i = 0; i < 60; ++i) ranges.push_back({-1.0 - 0.1 * static_cast<double>(i % 3), 1.0});
    layer.problem.encoding = quant::encoding_from_ranges(spec, ranges, 20);
    layer.problem.grid_inputs = 10;
    LayerErrors errors;
    const LayerSolution found = solve_layer(layer.problem, {}, 0, errors);
    EXPECT_EQ(found.method, "descent");
    EXPECT_LT(found.error, 0.5 * errors.nearest);
    expect_on_grid(found, layer.problem);
    for (size_t c = 0; c < 20; ++c) {
      const double factor = found.encoding.grids[3 * c].scale / layer.problem.encoding.grids[3 * c].scale;
      EXPECT_NEAR(found.encoding.grids[3 * c + 2].scale, factor * layer.problem.encoding.grids[3 * c + 2].scale, 1e-9);
      if (decompressed == 0) continue;
      const quant::LowPowerScales& scales = *found.encoding.low_power;
      for (size_t g = 3 * c; g < 3 * c + 3; ++g) {
        EXPECT_DOUBLE_EQ(found.encoding.grids[g].scale, scales.channel_scale[c] * static_cast<double>(scales.block_scale[g]));
      }
    }
  }
}

TEST(Solver, NeverWorseThanNearestOnJudgedRows) {
  for (const int bits : {2, 3, 8}) {
    quant::QuantSpec spec = kChannelW4;
    spec.bits = bits;
    const Layer layer({1, 24, 6}, spec, bits != 3, 12);  // fewer rows than inputs
    LayerErrors errors;
    EXPECT_LE(solve_layer(layer.problem, {}, 0, errors).error, errors.nearest);
  }
}

TEST(Solver, ThreadsChangeNothing) {
  const Layer one({1, 30, 40}, kChannelW4, true, 600, 1), three({1, 30, 40}, kChannelW4, true, 600, 3);
  LayerErrors errors;
  EXPECT_EQ(solve_layer(one.problem, {}, 0, errors).weights, solve_layer(three.problem, {}, 0, errors).weights);
}

TEST(Classic, BeatsNearestWithItsOwnScalesAndMovesAtMostOneLevel) {
  const Layer layer({1, 30, 40}, kChannelW4, false);
  const LayerSolution found = round_classic(layer.problem, {.iterations = 600, .learning_rate = 1e-2, .batch_rows = 128}, 0, 0);
  const Judge judge(layer.problem);
  EXPECT_LT(judge.error(found.weights, {}), 0.7 * judge.error(round_to_nearest(layer.problem).weights, {}));
  expect_on_grid(found, layer.problem);
  for (size_t i = 0; i < found.weights.size(); ++i) {
    EXPECT_LT(std::abs(found.weights[i] - layer.problem.weights[i]), layer.problem.encoding.grids[0].scale * 1.001);
  }
}

TEST(SequentialMse, FindsTheScaleThatOutliersHide) {
  Layer layer({1, 30, 4}, kChannelW4, false);
  for (quant::Grid& grid : layer.problem.encoding.grids) grid.scale *= 3.0;  // as an unused outlier would
  const quant::Encoding found = sequential_mse(layer.problem);
  LayerProblem better = layer.problem;
  better.encoding = found;
  const Judge judge(layer.problem);
  EXPECT_LT(judge.error(round_to_nearest(better).weights, {}), 0.5 * judge.error(round_to_nearest(layer.problem).weights, {}));
  for (size_t g = 0; g < found.grids.size(); ++g) EXPECT_LT(found.grids[g].scale, layer.problem.encoding.grids[g].scale);
}

}  // namespace
}  // namespace qtool::rounding
