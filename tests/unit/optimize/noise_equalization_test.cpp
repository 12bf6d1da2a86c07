#include "noise_equalization.h"

#include <gtest/gtest.h>

#include "layer_noise.h"
#include "optimize_fixture.h"
#include "qtool/rounding/channel_sensitivity.h"
#include "rescale.h"

namespace qtool::optimize::testing {
namespace {

double square(double v) { return v * v; }

// conv - clip - depthwise - clip - conv; two layers have one channel that is several times larger than the others and reaches its
// bound now and then.
model::ModelState block_with_outlier() {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 12, 12});
  Tensor w1 = random_tensor({10, 3, 1, 1}, 1, -0.5f, 0.5f);
  for (size_t i = 0; i < 3; ++i) w1.mutable_data<float>()[i] *= 4.0f;
  Tensor w2 = random_tensor({10, 1, 3, 3}, 2, -0.3f, 0.3f);
  for (size_t i = 9; i < 18; ++i) w2.mutable_data<float>()[i] *= 8.0f;
  x = b.node("Conv", {x, b.constant("w1", w1), b.random("b1", {10})}, "c1");
  x = b.node("Clip", {x, b.scalar(0.0f), b.scalar(6.0f)}, "a1");
  x = b.node("Conv", {x, b.constant("w2", w2), b.random("b2", {10})}, "c2", {{"group", int64_t{10}}, {"pads", Ints{1, 1, 1, 1}}});
  x = b.node("Clip", {x, b.scalar(0.0f), b.scalar(6.0f)}, "a2");
  b.output(b.node("Conv", {x, b.random("w3", {6, 10, 1, 1}), b.random("b3", {6})}, "y"));
  return b.build();
}

struct Planned {
  Candidate candidate;
  ChannelSets sets;
  EqualizationPlan plan;
};

Planned plan_for(const model::ModelState& state, const data::SampleSource& source, int threads = 2) {
  SilentReporter reporter;
  Planned result{{state, collect_statistics(state.graph, source, threads, reporter)}, find_channel_sets(state.graph), {}};
  std::vector<ir::ValueId> values;
  for (const Layer& layer : result.sets.layers) values.push_back(layer.output);
  const std::vector<ir::NodeId> clips = movable_bounds(state.graph, result.sets);
  for (const ir::NodeId clip : clips) values.push_back(state.graph.node(clip).outputs[0]);
  const auto sensitivity = rounding::channel_sensitivity(state.graph, values, source, {.threads = threads});
  BoundTails tails;
  if (!clips.empty()) tails = observe_bound_tails(state.graph, clips, source, threads);
  result.plan = plan_least_noise(state.graph, result.sets, {result.candidate.statistics, tails, sensitivity, threads}).value();
  EXPECT_TRUE(rescale_channels(result.candidate, result.sets, result.plan));
  return result;
}

// Weights rounded to 8 bits a tensor; noise power at the output against the float model, its mean by channel left out.
double weight_noise(const ir::Graph& reference, const ir::Graph& graph, const data::SampleSource& source) {
  ir::Graph rounded = graph;
  for (const Layer& layer : layers_of(graph)) {
    const auto values = graph.constant(layer.weight)->data<float>();
    const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
    const float step = (*hi - *lo) / 255.0f;
    Tensor changed = graph.constant(layer.weight)->clone();
    for (float& w : changed.mutable_data<float>()) w = step * std::nearbyint(w / step);
    rounded.value(layer.weight).constant = std::move(changed);
  }
  double sum = 0.0;
  std::vector<double> means(6, 0.0), squares(6, 0.0);
  int64_t count = 0;
  for (int64_t s = 0; s < source.size(); ++s) {
    const auto a = run(reference, source, s), b = run(rounded, source, s);
    for (size_t i = 0; i < a.size(); ++i) {
      means[i / 144] += b[i] - a[i];
      squares[i / 144] += square(b[i] - a[i]);
    }
    count += 144;
  }
  for (size_t c = 0; c < means.size(); ++c) sum += squares[c] / static_cast<double>(count) - square(means[c] / static_cast<double>(count));
  return sum;
}

TEST(BoundTail, MeanAndVarianceOfAMovedBound) {
  BoundTail tail;
  tail.add_count(10);
  // Centres of their bins: [1, 1 + 1/16), [1.5, 1.5 + 1/16).
  for (const float v : {0.01f, -3.0f, 1.03125f, 1.53125f}) tail.observe(v);
  // Bound 1 -> 1.25: errors 0.03125 and 0.25 among ten values.
  const BoundShift up = tail.shift(1.25, 1.0);
  EXPECT_NEAR(up.mean, 0.028125, 1e-9);
  EXPECT_NEAR(up.variance, (square(0.03125) + square(0.25)) / 10.0 - square(0.028125), 1e-9);
  // Bound 1 -> 0.5: both values lose 0.5.
  const BoundShift down = tail.shift(0.5, 1.0);
  EXPECT_NEAR(down.mean, -0.1, 1e-9);
  EXPECT_NEAR(down.variance, 0.05 - 0.01, 1e-9);
  EXPECT_EQ(tail.shift(1.0, 1.15).variance, 0.0);
}

TEST(BoundTail, SlopeIsTheDerivativeOfTheVariance) {
  BoundTail tail;
  tail.add_count(400);
  for (int i = 0; i < 200; ++i) tail.observe(0.02f * static_cast<float>(i));
  for (const double s : {0.4, 0.8, 1.3, 2.1}) {
    constexpr double kStep = 1e-4;
    const double numeric = (tail.shift(s * std::exp(kStep), 1.15).variance - tail.shift(s * std::exp(-kStep), 1.15).variance) / (2.0 * kStep);
    EXPECT_NEAR(tail.shift(s, 1.15).slope, numeric, 1e-3 * (0.1 + std::abs(numeric))) << s;
  }
}

TEST(LayerNoise, GradientIsThatOfTheNoise) {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 4, 5, 5});
  b.output(b.node("Conv", {x, b.random("w", {6, 2, 3, 3}), b.random("b", {6})}, "y", {{"group", int64_t{2}}}));
  const model::ModelState state = b.build();
  const Layer layer = layers_of(state.graph).at(0);
  const LayerNoise noise(state.graph, layer, {{1.0, 2.0, 0.5, 3.0}, {1.0, 0.3, 2.0, 1.0, 0.7, 0.1}});
  std::vector<double> in = {1.0, 0.7, 1.4, 0.9}, out = {1.1, 0.8, 1.0, 2.0, 0.6, 1.0};
  const auto found = noise.at(in, out);
  constexpr double kStep = 1e-3;
  const auto numeric = [&](double& factor) {
    const double at = factor;
    factor = at * std::exp(kStep);
    const double up = noise.at(in, out).noise;
    factor = at * std::exp(-kStep);
    const double down = noise.at(in, out).noise;
    factor = at;
    return (up - down) / (2.0 * kStep);
  };
  for (size_t c = 0; c < in.size(); ++c) EXPECT_NEAR(found.in[c], numeric(in[c]), 2e-3 * found.noise) << c;
  for (size_t c = 0; c < out.size(); ++c) EXPECT_NEAR(found.out[c], numeric(out[c]), 2e-3 * found.noise) << c;
}

TEST(ChannelSensitivity, IsTheSquaredGainOfALinearModel) {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 2, 4, 4});
  const ir::ValueId c1 = b.node("Conv", {x, b.random("w1", {3, 2, 1, 1})}, "c1");
  const Tensor w2 = random_tensor({5, 3, 1, 1}, 9, -1.0f, 1.0f);
  b.output(b.node("Conv", {c1, b.constant("w2", w2)}, "y"));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 64);
  const auto found = rounding::channel_sensitivity(state.graph, {c1}, source, {.images = 64, .threads = 2});
  double power = 0.0;
  for (int64_t s = 0; s < source.size(); ++s) {
    for (const float v : run(state.graph, source, s)) power += square(v) / static_cast<double>(source.size());
  }
  for (size_t c = 0; c < 3; ++c) {
    double gain = 0.0;
    for (size_t o = 0; o < 5; ++o) gain += square(w2.data<float>()[o * 3 + c]);
    const double exact = 16.0 * gain / power;  // 16 pixels; 1024 probed pixels leave about 4 % of chance
    EXPECT_NEAR(found.at(c1).at(c), exact, 0.2 * exact) << c;
  }
  EXPECT_EQ(found, rounding::channel_sensitivity(state.graph, {c1}, source, {.images = 64, .threads = 1}));
}

TEST(NoiseEqualization, MovesBoundsThatStandInTheWayAndLosesLess) {
  const model::ModelState state = block_with_outlier();
  const MemorySource source(state.graph, 16), unseen(state.graph, 8, -2.0f, 2.0f, 5000);
  const Planned planned = plan_for(state, source);
  EXPECT_TRUE(planned.candidate.state.graph.verify().empty());
  EXPECT_GT(planned.plan.moved_bounds, 0);
  EXPECT_LT(weight_noise(state.graph, planned.candidate.state.graph, unseen), 0.7 * weight_noise(state.graph, state.graph, unseen));
}

TEST(NoiseEqualization, TakesTheMeanOfMovedBoundsBack) {
  const model::ModelState state = block_with_outlier();
  const MemorySource source(state.graph, 16);
  Planned planned = plan_for(state, source);
  EqualizationPlan without = planned.plan;
  without.bound_shifts.clear();
  Candidate uncorrected{state, planned.candidate.statistics};
  SilentReporter reporter;
  uncorrected.statistics = collect_statistics(state.graph, source, 2, reporter);
  ASSERT_TRUE(rescale_channels(uncorrected, planned.sets, without));
  const auto bias = [&](const ir::Graph& graph) {
    double sum = 0.0;
    std::vector<double> means(6, 0.0);
    for (int64_t s = 0; s < source.size(); ++s) {
      const auto a = run(state.graph, source, s), b = run(graph, source, s);
      for (size_t i = 0; i < a.size(); ++i) means[i / 144] += b[i] - a[i];
    }
    for (const double m : means) sum += square(m);
    return sum;
  };
  EXPECT_LT(bias(planned.candidate.state.graph), 0.2 * bias(uncorrected.state.graph));
}

TEST(NoiseEqualization, KeepsTheFunctionWhereNoBoundStandsInTheWayAndDoesNotDependOnThreads) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  x = b.node("Relu", {b.node("Conv", {x, b.random("w1", {8, 3, 3, 3}), b.random("b1", {8})}, "c1")}, "a1");
  b.output(b.node("Conv", {x, b.random("w2", {5, 8, 1, 1}), b.random("b2", {5})}, "y"));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 8);
  const Planned one = plan_for(state, source, 1), two = plan_for(state, source, 2);
  EXPECT_EQ(one.plan.factors, two.plan.factors);
  EXPECT_EQ(one.plan.moved_bounds, 0);
  EXPECT_GT(one.plan.largest_factor, 1.01);
  EXPECT_LT(relative_difference(state.graph, one.candidate.state.graph, source), 1e-5);
}

}  // namespace
}  // namespace qtool::optimize::testing
