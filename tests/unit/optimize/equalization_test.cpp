#include <gtest/gtest.h>

#include "optimize_fixture.h"
#include "rescale.h"

namespace qtool::optimize::testing {
namespace {

struct Equalized {
  Candidate candidate;
  EqualizationPlan plan;
  ChannelSets sets;
};

Equalized equalize(const model::ModelState& state, const data::SampleSource& source, const EqualizationOptions& options = {.damped = false}) {
  SilentReporter reporter;
  Equalized result{{state, collect_statistics(state.graph, source, 2, reporter)}, {}, find_channel_sets(state.graph)};
  result.plan = plan_equalization(state.graph, result.sets, result.candidate.statistics, options);
  EXPECT_TRUE(rescale_channels(result.candidate, result.sets, result.plan));
  EXPECT_TRUE(result.candidate.state.graph.verify().empty());
  return result;
}

double largest_activation(const ir::Graph& graph, const std::string& name, const data::SampleSource& source) {
  ir::Graph copy = graph;
  copy.outputs = {copy.find_value(name)};
  double largest = 0.0;
  for (int64_t s = 0; s < source.size(); ++s) {
    for (const float v : run(copy, source, s)) largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  return largest;
}

std::vector<double> row_ranges(const ir::Graph& graph, const std::string& weight, bool inputs) {
  const Tensor& tensor = *graph.constant(graph.find_value(weight));
  const int64_t rows = tensor.shape()[0], columns = tensor.shape()[1], taps = tensor.element_count() / rows / columns;
  std::vector<double> ranges(static_cast<size_t>(inputs ? columns : rows), 0.0);
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    const auto at = static_cast<size_t>(inputs ? i / taps % columns : i / taps / columns);
    ranges[at] = std::max(ranges[at], std::abs(static_cast<double>(tensor.data<float>()[static_cast<size_t>(i)])));
  }
  return ranges;
}

// conv - relu - depthwise - relu - conv, channels of very different size (user-asks T3).
model::ModelState depthwise_block(const std::string& activation = "Relu", unsigned seed = 1) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 12, 12});
  x = b.node("Conv", {x, b.constant("w1", uneven_weight({10, 3, 3, 3}, seed, 4.0)), b.random("b1", {10})}, "c1", {{"pads", Ints{1, 1, 1, 1}}});
  const auto act = [&](ir::ValueId v, const std::string& name) {
    return activation == "Clip" ? b.node("Clip", {v, b.scalar(0.0f), b.scalar(6.0f)}, name) : b.node(activation, {v}, name);
  };
  x = act(x, "a1");
  x = b.node("Conv", {x, b.constant("w2", uneven_weight({10, 1, 3, 3}, seed + 1, 0.3)), b.random("b2", {10})}, "c2",
             {{"group", int64_t{10}}, {"pads", Ints{1, 1, 1, 1}}});
  x = act(x, "a2");
  x = b.node("Conv", {x, b.constant("w3", uneven_weight({6, 10, 1, 1}, seed + 2, 2.0)), b.random("b3", {6})}, "c3");
  b.output(x);
  return b.build();
}

TEST(Equalization, KeepsTheFunctionAndMeetsTheCubeRootInADepthwiseBlock) {
  const model::ModelState state = depthwise_block();
  const MemorySource source(state.graph, 6);
  const Equalized result = equalize(state, source);
  EXPECT_EQ(result.plan.sets, 2);
  EXPECT_LT(relative_difference(state.graph, result.candidate.state.graph, source), 1e-5);
  const auto r1 = row_ranges(result.candidate.state.graph, "w1", false), r2 = row_ranges(result.candidate.state.graph, "w2", false),
             r3 = row_ranges(result.candidate.state.graph, "w3", true);
  // A common factor of each set is free; up to it the three ranges of a channel are equal.
  for (size_t c = 1; c < r1.size(); ++c) {
    EXPECT_NEAR(r1[c] / r1[0], r2[c] / r2[0], 2e-2 * r1[c] / r1[0]);
    EXPECT_NEAR(r1[c] / r1[0], r3[c] / r3[0], 2e-2 * r1[c] / r1[0]);
  }
}

TEST(Equalization, DoesNotAmplifyActivations) {
  const model::ModelState state = depthwise_block();
  const MemorySource source(state.graph, 6);
  const Equalized result = equalize(state, source);
  for (const char* name : {"a1", "a2"}) {
    EXPECT_LE(largest_activation(result.candidate.state.graph, name, source), 1.001 * largest_activation(state.graph, name, source)) << name;
  }
}

TEST(Equalization, CapsItsFactors) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 6, 6});
  x = b.node("Conv", {x, b.constant("w1", uneven_weight({10, 3, 1, 1}, 1, 200.0))}, "c1");
  x = b.node("Relu", {x}, "a1");
  b.output(b.node("Conv", {x, b.random("w2", {4, 10, 1, 1})}, "y"));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 3);
  const Equalized result = equalize(state, source, {.largest_factor = 8.0, .damped = false});
  double smallest = 1e9, largest = 0.0;
  for (const size_t c : result.sets.sets.at(0).classes) {
    smallest = std::min(smallest, result.plan.factors[c]);
    largest = std::max(largest, result.plan.factors[c]);
  }
  EXPECT_LE(largest / smallest, 64.0 * 1.001);
  EXPECT_LT(relative_difference(state.graph, result.candidate.state.graph, source), 1e-5);
}

TEST(Equalization, HandlesAnOrdinaryConvolutionBehindADepthwiseOne) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 8, 8, 8});
  x = b.node("Conv", {x, b.constant("w1", uneven_weight({8, 1, 3, 3}, 3, 5.0)), b.random("b1", {8})}, "c1", {{"group", int64_t{8}}});
  x = b.node("Relu", {x}, "a1");
  x = b.node("Conv", {x, b.random("w2", {12, 8, 3, 3}), b.random("b2", {12})}, "c2");
  x = b.node("Relu", {x}, "a2");
  b.output(b.node("Conv", {x, b.random("w3", {4, 6, 1, 1})}, "y", {{"group", int64_t{2}}}));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 4);
  const Equalized result = equalize(state, source);
  EXPECT_EQ(result.plan.sets, 2);
  EXPECT_LT(relative_difference(state.graph, result.candidate.state.graph, source), 1e-5);
}

TEST(Equalization, GoesThroughPoolingFlattenPreluTransposedConvolutionsAndGemm) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 4, 8, 8});
  x = b.node("ConvTranspose", {x, b.random("w1", {4, 3, 2, 2}), b.random("b1", {6})}, "c1", {{"group", int64_t{2}}, {"strides", Ints{2, 2}}});
  x = b.node("PRelu", {x, b.random("slope", {6, 1, 1}, 0.1f, 0.5f)}, "a1");
  x = b.node("MaxPool", {x}, "p1", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  x = b.node("Conv", {x, b.constant("w2", uneven_weight({5, 6, 3, 3}, 9, 6.0)), b.random("b2", {5})}, "c2", {{"pads", Ints{1, 1, 1, 1}}});
  x = b.node("LeakyRelu", {x}, "a2", {{"alpha", 0.2f}});
  x = b.node("AveragePool", {x}, "p2", {{"kernel_shape", Ints{4, 4}}, {"strides", Ints{4, 4}}});
  x = b.node("Flatten", {x}, "f");
  b.output(b.node("Gemm", {x, b.random("w3", {7, 20}), b.random("b3", {7})}, "y", {{"transB", int64_t{1}}}));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 4);
  const Equalized result = equalize(state, source);
  EXPECT_EQ(result.plan.sets, 2);
  EXPECT_LT(relative_difference(state.graph, result.candidate.state.graph, source), 1e-5);
}

TEST(Equalization, RescalesAllBranchesOfSumsAndConcatenations) {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 3, 8, 8});
  const ir::ValueId p = b.node("Relu", {b.node("Conv", {x, b.constant("w1", uneven_weight({6, 3, 1, 1}, 1, 5.0)), b.random("b1", {6})}, "c1")}, "p");
  const ir::ValueId q = b.node("Conv", {p, b.random("w2", {6, 6, 3, 3})}, "q", {{"pads", Ints{1, 1, 1, 1}}});
  const ir::ValueId sum = b.node("Add", {p, q}, "sum");
  const ir::ValueId r = b.node("Conv", {sum, b.constant("w3", uneven_weight({5, 6, 1, 1}, 4, 3.0)), b.random("b3", {5})}, "r");
  const ir::ValueId joined = b.node("Concat", {sum, b.node("Relu", {r}, "rr")}, "joined", {{"axis", int64_t{1}}});
  b.output(b.node("Conv", {joined, b.random("w4", {4, 11, 1, 1})}, "y"));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 4);
  const Equalized all = equalize(state, source), chains = equalize(state, source, {.branched = false, .damped = false});
  EXPECT_EQ(all.plan.free_channels, 11);
  EXPECT_EQ(chains.plan.sets, 0);
  EXPECT_LT(relative_difference(state.graph, all.candidate.state.graph, source), 1e-5);
}

TEST(Equalization, LeavesModelOutputsAndMixingOperatorsAlone) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  const ir::ValueId c1 = b.node("Conv", {x, b.constant("w1", uneven_weight({6, 3, 1, 1}, 1, 5.0))}, "c1");
  const ir::ValueId s = b.node("Sigmoid", {c1}, "s");
  const ir::ValueId c2 = b.node("Relu", {b.node("Conv", {s, b.constant("w2", uneven_weight({6, 6, 1, 1}, 2, 5.0))}, "c2")}, "a2");
  b.output(b.node("Conv", {c2, b.random("w3", {4, 6, 1, 1})}, "y"));
  b.output(c2);
  const ChannelSets sets = find_channel_sets(b.build().graph);
  EXPECT_TRUE(sets.sets.empty());
  EXPECT_GT(sets.blocked, 0);
}

TEST(Equalization, RespectsTheBoundOfRelu6ChannelByChannel) {
  const model::ModelState state = depthwise_block("Clip", 5);
  const MemorySource source(state.graph, 8);
  const Equalized kept = equalize(state, source);
  EXPECT_GT(kept.plan.at_bound, 0);
  EXPECT_GT(kept.plan.below_bound, 0);
  EXPECT_LT(relative_difference(state.graph, kept.candidate.state.graph, source), 1e-5);
  for (size_t c = 0; c < kept.sets.classes.size(); ++c) {
    // Channels that reach the bound stay as they are.
    for (const auto& [value, channel] : kept.sets.classes[c].clipped) {
      SilentReporter reporter;
      const Statistics before = collect_statistics(state.graph, source, 1, reporter);
      if (before.find(value)->hi[static_cast<size_t>(channel)] >= 6.0) {
        EXPECT_EQ(kept.plan.factors[c], 1.0);
      }
    }
  }
  const Equalized replaced = equalize(state, source, {.replace_clips = true, .damped = false});
  EXPECT_EQ(replaced.plan.clips_to_relu.size(), 2u);
  EXPECT_GT(relative_difference(state.graph, replaced.candidate.state.graph, source), 1e-3);
}

TEST(Equalization, ARelu6ThatIsNeverReachedBecomesAReluUnlessToldOtherwise) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  x = b.node("Conv", {x, b.random("w1", {6, 3, 1, 1}, -0.2f, 0.2f)}, "c1");
  x = b.node("Clip", {x, b.scalar(0.0f), b.scalar(6.0f)}, "a1");
  b.output(b.node("Conv", {x, b.constant("w2", uneven_weight({4, 6, 1, 1}, 2, 3.0))}, "y"));
  const model::ModelState state = b.build();
  const MemorySource source(state.graph, 8);
  const Equalized free = equalize(state, source), kept = equalize(state, source, {.keep_clips = true, .damped = false});
  EXPECT_EQ(free.plan.clips_to_relu.size(), 1u);
  EXPECT_EQ(kept.plan.clips_to_relu.size(), 0u);
  EXPECT_LT(relative_difference(state.graph, free.candidate.state.graph, source), 1e-5);
  EXPECT_LT(relative_difference(state.graph, kept.candidate.state.graph, source), 1e-5);
}

TEST(Equalization, StatisticsFollowTheScales) {
  const model::ModelState state = depthwise_block();
  const MemorySource source(state.graph, 6);
  const Equalized result = equalize(state, source);
  SilentReporter reporter;
  const Statistics fresh = collect_statistics(result.candidate.state.graph, source, 1, reporter);
  for (const auto& [node, means] : fresh.tap_means) {
    const std::vector<double>& carried = result.candidate.statistics.tap_means.at(node);
    for (size_t i = 0; i < means.size(); ++i) EXPECT_NEAR(carried[i], means[i], 1e-4 * (1.0 + std::abs(means[i])));
  }
  for (const auto& [value, moments] : fresh.channels) {
    const ChannelMoments& carried = result.candidate.statistics.channels.at(value);
    for (size_t c = 0; c < moments.mean.size(); ++c) EXPECT_NEAR(carried.hi[c], moments.hi[c], 1e-4 * (1.0 + std::abs(moments.hi[c])));
  }
}

}  // namespace
}  // namespace qtool::optimize::testing
