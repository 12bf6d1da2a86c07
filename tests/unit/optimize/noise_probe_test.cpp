// Noise behind one tensor against whole simulations with that tensor alone on a grid.
#include "qtool/optimize/noise_probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qtool/calib/calibrator.h"
#include "qtool/optimize/choose_ranges.h"
#include "qtool/optimize/simulation_noise.h"
#include "qtool/passes/plan_quantization.h"
#include "support/graph_builder.h"
#include "support/memory_source.h"

namespace qtool::optimize {
namespace {

using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using qtool::testing::MemorySource;
using qtool::testing::random_tensor;

constexpr int64_t kSamples = 5;

MemorySource source() {
  std::vector<data::Sample> samples;
  for (unsigned i = 0; i < kSamples; ++i) samples.push_back({{"x", random_tensor({1, 3, 8, 8}, 50 + i)}});
  return MemorySource(std::move(samples));
}

// Two convolutions with a sum around the second.
model::ModelState network() {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto pads = Ints{1, 1, 1, 1};
  const auto c1 = b.node("Relu", {b.node("Conv", {x, b.random("w1", {16, 3, 3, 3}, -0.4f, 0.4f)}, "c1", {{"pads", pads}})}, "r1");
  const auto c2 = b.node("Conv", {c1, b.random("w2", {16, 16, 3, 3}, -0.1f, 0.1f)}, "c2", {{"pads", pads}});
  const auto sum = b.node("Add", {c1, c2}, "sum");
  b.output(b.node("Conv", {sum, b.random("w3", {4, 16, 1, 1}, -0.3f, 0.3f)}, "y"));
  return b.build();
}

quant::Encoding grid(double lo, double hi) {
  const quant::Range range{lo, hi};
  return quant::encoding_from_ranges({.bits = 4}, {&range, 1});
}

std::vector<int64_t> all_samples() { return {0, 1, 2, 3, 4}; }

TEST(NoiseProbe, EqualsASimulationWithThatTensorAloneOnItsGrid) {
  const model::ModelState state = network();
  const MemorySource samples = source();
  const SimulationNoise simulation(state.graph, samples, kSamples, 1);
  std::vector<ir::ValueId> values;
  for (const char* name : {"x", "r1", "c2", "sum", "y"}) values.push_back(state.graph.find_value(name));
  NoiseProbe probe(state.graph, values, samples, 1);
  std::vector<Variant> variants;
  for (const ir::ValueId id : values) variants.push_back({{id}, onto_grid(grid(-2.0, 3.0))});
  const std::vector<OutputNoise> found = probe.run(variants, all_samples());
  for (size_t i = 0; i < values.size(); ++i) {
    model::ModelState alone = state;
    alone.encodings[values[i]] = {.encoding = grid(-2.0, 3.0)};
    const OutputNoise expected = simulation.of(alone);
    ASSERT_GT(expected.noise[0], 0.0);
    EXPECT_NEAR(expected.sqnr_db(0), found[i].sqnr_db(0), 0.05) << state.graph.value(values[i]).name;
  }
}

TEST(NoiseProbe, DoesNotDependOnThreads) {
  const model::ModelState state = network();
  const MemorySource samples = source();
  const std::vector<ir::ValueId> values = {state.graph.find_value("r1"), state.graph.find_value("sum")};
  std::vector<Variant> variants;
  for (int i = 1; i <= 7; ++i) variants.push_back({{values[static_cast<size_t>(i % 2)]}, onto_grid(grid(-0.3 * i, 0.5 * i))});
  const auto run = [&](int threads) {
    NoiseProbe probe(state.graph, values, samples, threads);
    return probe.run(variants, all_samples());
  };
  const auto one = run(1), two = run(2), many = run(16);
  for (size_t i = 0; i < variants.size(); ++i) {
    EXPECT_EQ(one[i].noise, two[i].noise);
    EXPECT_EQ(one[i].noise, many[i].noise);
    EXPECT_EQ(one[i].signal, many[i].signal);
  }
}

TEST(NoiseProbe, AVariantWithoutChangeIsSilent) {
  const model::ModelState state = network();
  const MemorySource samples = source();
  NoiseProbe probe(state.graph, {state.graph.find_value("r1")}, samples, 1);
  const std::vector<Variant> variants = {{{state.graph.find_value("r1")}, [](ir::ValueId, std::span<float>) {}}};
  EXPECT_EQ(0.0, probe.run(variants, all_samples())[0].noise[0]);
}

std::map<ir::ValueId, calib::TensorStatistics> plan_and_calibrate(model::ModelState& state, const data::SampleSource& samples) {
  model::TargetProfile profile{.name = "test"};
  profile.fused_groups = {};
  passes::plan_quantization(state, profile, ops::builtin_registry());
  SilentReporter silent;
  return calib::calibrate(state.graph, passes::observed_values(state), samples, {.histograms = true}, silent).statistics;
}

// One value in two thousand is huge. Where the last convolution ignores its channel, clipping is right.
TEST(ChooseRanges, ClipsAnOutlierThatTheOutputDoesNotFeelAndKeepsOneThatItDoes) {
  for (const bool felt : {false, true}) {
    GraphBuilder b;
    const auto x = b.input("x", {1, 2, 32, 32});
    const auto r = b.node("Relu", {x}, "r");
    // The outlier sits in channel 1.
    b.output(b.node("Conv", {r, b.constant("w", Tensor::from<float>({1, 2, 1, 1}, {1.0f, felt ? 1.0f : 0.0f}))}, "y"));
    model::ModelState state = b.build();
    std::vector<data::Sample> list;
    for (unsigned i = 0; i < 8; ++i) {
      Tensor sample = random_tensor({1, 2, 32, 32}, 80 + i, 0.0f, 1.0f);
      sample.mutable_data<float>()[1500] = 90.0f;  // channel 1
      list.push_back({{"x", sample}});
    }
    const MemorySource samples(std::move(list));
    const auto statistics = plan_and_calibrate(state, samples);
    SilentReporter silent;
    const RangeChoices choices = choose_ranges(state, statistics, {}, samples, {.threads = 1}, silent);
    const quant::Range chosen = choices.chosen.at(state.graph.find_value("r")).range;
    if (felt) EXPECT_GT(chosen.hi, 85.0);
    else EXPECT_LT(chosen.hi, 85.0);
    // Outputs are never clipped.
    const ir::ValueId y = state.graph.find_value("y");
    EXPECT_EQ(statistics.at(y).range.hi, choices.chosen.at(y).range.hi);
  }
}

// The range at hand stays when another one is better in sum only because of a single sample.
TEST(ChooseRanges, LuckOnOneSampleDoesNotCount) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 32, 32});
  const auto r = b.node("Relu", {x}, "r");
  b.output(b.node("Conv", {r, b.constant("w", Tensor::from<float>({1, 2, 1, 1}, {1.0f, 1.0f}))}, "y"));
  model::ModelState state = b.build();
  std::vector<data::Sample> list;
  for (unsigned i = 0; i < 8; ++i) {
    Tensor sample = random_tensor({1, 2, 32, 32}, 80 + i, 0.0f, 1.0f);
    if (i == 0) sample.mutable_data<float>()[7] = 40.0f;
    list.push_back({{"x", sample}});
  }
  const MemorySource samples(std::move(list));
  const auto statistics = plan_and_calibrate(state, samples);
  SilentReporter silent;
  passes::ChosenRanges at_hand;
  for (const char* name : {"x", "r"}) at_hand[state.graph.find_value(name)] = {{0.0, 1.0}, "at hand"};
  const RangeChoices choices = choose_ranges(state, statistics, at_hand, samples, {.threads = 1}, silent);
  EXPECT_EQ(choices.samples, 8);
  EXPECT_EQ(choices.chosen.at(state.graph.find_value("r")).range.hi, 1.0) << "min-max costs seven samples two bits each";
  const auto& tried = choices.tried.at(state.graph.find_value("r"));
  EXPECT_GT(tried.size(), 1u);
  EXPECT_TRUE(std::any_of(tried.begin(), tried.end(), [&](const TriedRange& t) { return t.cost_db > tried[0].cost_db; }))
      << "another range is better in sum";
}

}  // namespace
}  // namespace qtool::optimize
