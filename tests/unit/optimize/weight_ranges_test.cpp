// Against the plain definition: the largest |w| * in / out over the weights of a channel.
#include "weight_ranges.h"

#include <gtest/gtest.h>

#include "optimize_fixture.h"

namespace qtool::optimize::testing {
namespace {

struct Largest {
  std::vector<double> out, in;
};

Largest by_definition(const ir::Graph& graph, const ChannelSets& sets, const Layer& layer, const std::vector<double>& factors) {
  const std::vector<double> in = by_channel(sets, layer.input, factors), out = by_channel(sets, layer.output, factors);
  Largest largest{std::vector<double>(static_cast<size_t>(layer.out_channels)), std::vector<double>(static_cast<size_t>(layer.in_channels))};
  const auto weight = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& at) {
    const auto o = static_cast<size_t>(at.out), i = static_cast<size_t>(at.in);
    const float inverse = out.empty() ? 1.0f : static_cast<float>(1.0 / out[o]), forward = in.empty() ? 1.0f : static_cast<float>(in[i]);
    const double w = std::abs(weight[static_cast<size_t>(flat)]) * inverse * forward;
    largest.out[o] = std::max(largest.out[o], w);
    largest.in[i] = std::max(largest.in[i], w);
  });
  return largest;
}

// Dense, depthwise, grouped and transposed convolutions and a matrix product: weights in every order.
model::ModelState layers_of_every_kind() {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  const auto relu = [&](ir::ValueId v, const std::string& name) { return b.node("Relu", {v}, name); };
  x = relu(b.node("Conv", {x, b.random("w1", {40, 3, 1, 1})}, "c1"), "r1");
  x = relu(b.node("Conv", {x, b.random("w2", {40, 1, 3, 3})}, "c2", {{"group", int64_t{40}}, {"pads", Ints{1, 1, 1, 1}}}), "r2");
  x = relu(b.node("Conv", {x, b.random("w3", {12, 20, 1, 1})}, "c3", {{"group", int64_t{2}}}), "r3");
  x = relu(b.node("ConvTranspose", {x, b.random("w4", {12, 37, 2, 2})}, "c4", {{"strides", Ints{2, 2}}}), "r4");
  x = b.node("Flatten", {b.node("GlobalAveragePool", {x}, "pool")}, "flat");
  b.output(b.node("Gemm", {x, b.random("w5", {37, 10}), b.random("b5", {10})}, "y"));
  return b.build();
}

TEST(WeightRanges, AreTheLargestScaledWeightsOfEveryChannel) {
  const model::ModelState state = layers_of_every_kind();
  const ChannelSets sets = find_channel_sets(state.graph);
  ASSERT_EQ(sets.layers.size(), 5u);
  std::vector<double> factors(sets.classes.size(), 1.0);
  ASSERT_GT(factors.size(), 100u);
  for (size_t c = 0; c < factors.size(); ++c) factors[c] = 0.25 + static_cast<double>(c * 7 % 23);
  for (const Layer& layer : sets.layers) {
    WeightRanges ranges(state.graph, sets, layer, factors);
    ranges.refresh();
    const Largest expected = by_definition(state.graph, sets, layer, factors);
    for (int64_t o = 0; o < layer.out_channels; ++o) EXPECT_EQ(ranges.out(o), expected.out[static_cast<size_t>(o)]) << "output " << o;
    for (int64_t i = 0; i < layer.in_channels; ++i) EXPECT_EQ(ranges.in(i), expected.in[static_cast<size_t>(i)]) << "input " << i;
    EXPECT_EQ(ranges.largest(), *std::max_element(expected.out.begin(), expected.out.end()));
  }
}

}  // namespace
}  // namespace qtool::optimize::testing
