// Tap means against a brute force: E[W x] of every layer from them equals the mean of the layer's output.
#include <gtest/gtest.h>

#include "clipped_normal.h"
#include "optimize_fixture.h"
#include "tap_window.h"

namespace qtool::optimize::testing {
namespace {

struct Case {
  std::string op;
  Shape input, weight;
  qtool::testing::Attributes attributes;
};

void expect_means(const Case& test) {
  GraphBuilder builder;
  const ir::ValueId x = builder.input("x", test.input);
  const ir::ValueId y = builder.node(test.op, {x, builder.random("w", test.weight)}, "y", test.attributes);
  builder.output(y);
  const model::ModelState state = builder.build();
  const MemorySource source(state.graph, 5);
  SilentReporter reporter;
  const Statistics statistics = collect_statistics(state.graph, source, 2, reporter);
  const Layer layer = layers_of(state.graph).at(0);
  const std::vector<double>& taps = statistics.tap_means.at(layer.node);
  ASSERT_EQ(taps.size(), static_cast<size_t>(layer.in_channels * layer.taps));

  std::vector<double> expected(static_cast<size_t>(layer.out_channels), 0.0);
  const int64_t each = state.graph.type_of(y).shape.element_count() / layer.out_channels;
  for (int64_t s = 0; s < source.size(); ++s) {
    const auto out = run(state.graph, source, s);
    const int64_t channels = layer.out_channels;
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t c = layer.channel_axis == 1 ? static_cast<int64_t>(i) / each % channels : static_cast<int64_t>(i) % channels;
      expected[static_cast<size_t>(c)] += out[i] / static_cast<double>(each * source.size());
    }
  }
  std::vector<double> found(expected.size(), 0.0);
  const auto weight = state.graph.constant(layer.weight)->data<float>();
  WeightIndex(state.graph, layer).for_each([&](int64_t flat, const WeightPlace& at) {
    found[static_cast<size_t>(at.out)] += weight[static_cast<size_t>(flat)] * taps[static_cast<size_t>(at.in * layer.taps + at.tap)];
  });
  for (size_t c = 0; c < found.size(); ++c) EXPECT_NEAR(found[c], expected[c], 2e-5) << test.op << " channel " << c;
}

TEST(TapMeans, GiveTheMeanOfEveryLayersOutput) {
  expect_means({"Conv", {1, 5, 9, 11}, {7, 5, 1, 1}, {}});
  expect_means({"Conv", {1, 5, 9, 11}, {7, 5, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}});
  expect_means({"Conv", {1, 3, 10, 9}, {18, 3, 5, 3}, {{"pads", Ints{0, 1, 2, 0}}, {"strides", Ints{2, 3}}}});
  expect_means({"Conv", {1, 4, 12, 12}, {4, 4, 3, 3}, {{"pads", Ints{2, 2, 2, 2}}, {"dilations", Ints{2, 2}}}});
  expect_means({"Conv", {1, 20, 8, 8}, {20, 1, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{20}}, {"strides", Ints{2, 2}}}});
  expect_means({"Conv", {1, 6, 8, 8}, {4, 3, 3, 3}, {{"group", int64_t{2}}}});
  expect_means({"Conv", {1, 6, 8, 8}, {4, 6, 1, 1}, {{"strides", Ints{2, 2}}}});
  expect_means({"ConvTranspose", {1, 4, 5, 6}, {4, 3, 3, 3}, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}});
  expect_means({"ConvTranspose", {1, 6, 5, 6}, {6, 2, 4, 4}, {{"strides", Ints{2, 2}}, {"group", int64_t{2}}}});
  expect_means({"Gemm", {1, 12}, {12, 5}, {}});
  expect_means({"Gemm", {1, 12}, {5, 12}, {{"transB", int64_t{1}}}});
  expect_means({"MatMul", {1, 7, 12}, {12, 5}, {}});
}

TEST(TapMeans, DoNotDependOnThreads) {
  GraphBuilder builder;
  const ir::ValueId x = builder.input("x", {1, 5, 9, 9});
  builder.output(builder.node("Conv", {x, builder.random("w", {8, 5, 3, 3})}, "y", {{"pads", Ints{1, 1, 1, 1}}}));
  const model::ModelState state = builder.build();
  const MemorySource source(state.graph, 11);
  SilentReporter reporter;
  const Statistics one = collect_statistics(state.graph, source, 1, reporter), four = collect_statistics(state.graph, source, 4, reporter);
  EXPECT_EQ(one.tap_means, four.tap_means);
  EXPECT_EQ(one.channels.begin()->second.mean, four.channels.begin()->second.mean);
  EXPECT_EQ(one.channels.begin()->second.deviation, four.channels.begin()->second.deviation);
}

TEST(ClippedNormal, AgreesWithAFineSum) {
  for (const auto& [mean, deviation] : {std::pair{0.3, 1.2}, {-2.0, 0.7}, {5.5, 2.0}, {1.0, 0.0}}) {
    for (const double high : {6.0, std::numeric_limits<double>::infinity()}) {
      double sum = 0.0, square = 0.0, total = 0.0;
      for (double z = -9.0; z <= 9.0; z += 1e-4) {
        const double w = std::exp(-0.5 * z * z), v = std::min(std::max(mean + z * deviation, 0.0), high);
        total += w;
        sum += w * v;
        square += w * v * v;
      }
      const NormalMoments found = clipped_normal({mean, deviation}, 0.0, high);
      EXPECT_NEAR(found.mean, sum / total, 1e-6);
      EXPECT_NEAR(found.deviation, std::sqrt(std::max(0.0, square / total - sum / total * sum / total)), 1e-5);
    }
  }
}

}  // namespace
}  // namespace qtool::optimize::testing
