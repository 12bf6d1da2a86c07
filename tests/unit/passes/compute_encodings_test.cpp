// Which grid a tensor gets.
#include <cmath>

#include "qtool/quant/quantize.h"
#include "quantization_fixture.h"

namespace qtool::passes::testing {
namespace {

TEST(ComputeEncodings, ADeadChannelGetsTheMedianScale) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 4, 4});
  const auto w = b.constant("w", Tensor::from<float>({5, 1, 1, 1}, {0.0f, 1.0f, -0.0f, 4.0f, -2.0f}));
  b.output(b.node("Conv", {x, w}, "y"));
  auto state = planned(b);
  const EncodingNotes notes = compute(state, statistics_for(state));
  const auto& grids = grid(state, w).grids;
  // Scales of the living: 1/127, 4/127, 2/127.
  EXPECT_DOUBLE_EQ(2.0 / 127, grids[0].scale);
  EXPECT_DOUBLE_EQ(1.0 / 127, grids[1].scale);
  EXPECT_DOUBLE_EQ(2.0 / 127, grids[2].scale);
  EXPECT_EQ((std::vector<std::string>{"w: 2 of 5 channels"}), notes.dead_channels);
  EXPECT_FALSE(state.encodings.at(w).degenerate);
}

TEST(ComputeEncodings, AWeightOfZerosIsDegenerate) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 4, 4});
  const auto w = b.constant("w", Tensor(DType::kFloat32, {2, 1, 1, 1}));
  b.output(b.node("Conv", {x, w}, "y"));
  auto state = planned(b);
  const EncodingNotes notes = compute(state, statistics_for(state));
  EXPECT_EQ((std::vector<std::string>{"w"}), notes.degenerate);
  for (const auto& g : grid(state, w).grids) EXPECT_DOUBLE_EQ(1e-4 / 127, g.scale);
}

TEST(ComputeEncodings, BiasScaleIsTheProductOfInputAndWeightScale) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  b.output(conv(b, x, {3, 2, 1, 1}, "y"));
  auto state = planned(b);
  const EncodingNotes notes = compute(state, statistics_for(state));
  const auto& bias = grid(state, state.graph.find_value("y.b"));
  const auto& weight = grid(state, state.graph.find_value("y.w"));
  ASSERT_EQ(3u, bias.grids.size());
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(static_cast<float>(grid(state, x).grids[0].scale) * static_cast<float>(weight.grids[c].scale),
              static_cast<float>(bias.grids[c].scale));
  }
  EXPECT_EQ(32, bias.bits);
  EXPECT_TRUE(notes.bias_overflow.empty());
}

TEST(ComputeEncodings, AWeightScaleGrowsWhenTheBiasWouldOverflow) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 4, 4});
  const auto w = b.constant("w", Tensor::from<float>({2, 1, 1, 1}, {1e-7f, 1.0f}));
  const auto bias = b.constant("b", Tensor::from<float>({2}, {50.0f, 1.0f}));
  b.output(b.node("Conv", {x, w, bias}, "y"));
  auto state = planned(b);
  // s_x ~ 4e-4 / 255, s_w[0] ~ 8e-10: 2^31 levels reach 2.6e-6.
  const EncodingNotes notes = compute(state, statistics_for(state, {-1e-4, 3e-4}));
  EXPECT_EQ((std::vector<std::string>{"b: 1 of 2 channels of w"}), notes.bias_overflow);
  EXPECT_LE(50.0 / grid(state, bias).grids[0].scale, 2147483647.0);
  EXPECT_DOUBLE_EQ(1.0 / 127, grid(state, w).grids[1].scale);
}

// One bias value for all channels of a per-channel weight.
TEST(ComputeEncodings, ASingletonBiasFitsEveryChannel) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2});
  const auto w = b.constant("w", Tensor::from<float>({2, 3}, {1.0f, 1e-7f, 1e-7f, 1.0f, 1e-7f, 1e-7f}));
  const auto bias = b.constant("b", Tensor::from<float>({1}, {50.0f}));
  b.output(b.node("Gemm", {x, w, bias}, "y"));
  auto wanted = profile();
  wanted.per_channel_ops = {"Gemm"};
  auto state = planned(b, wanted);
  ASSERT_EQ(1, state.plan.tensors.at(w).spec.channel_axis);
  (void)compute(state, statistics_for(state, {-1e-4, 3e-4}));
  const quant::Encoding& encoding = grid(state, bias);
  const Tensor restored = quant::fake_quantize(*state.graph.constant(bias), encoding);  // must have a grid for its one value
  EXPECT_NEAR(50.0f, restored.data<float>()[0], 1e-4);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_LE(50.0, 2147483648.0 * grid(state, x).grids[0].scale * grid(state, w).grids[c].scale) << "channel " << c;
  }
}

TEST(ComputeEncodings, RangesBelowTheMinimumAreWidenedAndListed) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  const auto y = b.node("Neg", {x}, "y");
  b.output(y);
  auto state = planned(b);
  auto statistics = statistics_for(state);
  statistics[y].range = {0.0, 0.0};
  const EncodingNotes notes = compute(state, statistics);
  EXPECT_EQ((std::vector<std::string>{"y"}), notes.degenerate);
  EXPECT_TRUE(state.encodings.at(y).degenerate);
  EXPECT_DOUBLE_EQ(1e-4 / 255, grid(state, y).grids[0].scale);
}

TEST(ComputeEncodings, FollowersCopyTheirLeader) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 4, 4});
  const auto pooled = b.node("MaxPool", {x}, "pooled", {{"kernel_shape", Ints{2, 2}}});
  b.output(pooled);
  auto state = planned(b);
  (void)compute(state, statistics_for(state));
  EXPECT_EQ(grid(state, x).grids[0].scale, grid(state, pooled).grids[0].scale);
  EXPECT_EQ(grid(state, x).grids[0].offset, grid(state, pooled).grids[0].offset);
  EXPECT_NE(std::string::npos, state.encodings.at(pooled).source.find("x"));
}

TEST(ComputeEncodings, MissingStatisticsAreListed) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  const auto y = b.node("Neg", {x}, "y");
  b.output(y);
  auto state = planned(b);
  auto statistics = statistics_for(state);
  statistics.erase(x);
  statistics[y] = {.range = {}, .count = 0, .non_finite = 4, .histogram = {}};
  const EncodingNotes notes = compute(state, statistics);
  EXPECT_EQ((std::vector<std::string>{"x", "y"}), notes.no_statistics);
  EXPECT_TRUE(state.encodings.empty());
}

TEST(ComputeEncodings, NonFiniteValuesAreListed) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  b.output(b.node("Sigmoid", {x}, "y"));
  auto state = planned(b);
  auto statistics = statistics_for(state);
  statistics[x].non_finite = 2;
  EXPECT_EQ((std::vector<std::string>{"x"}), compute(state, statistics).non_finite);
}

TEST(ComputeEncodings, AConstantLeftOperandHasItsOwnRange) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  const auto c = b.constant("c", Tensor::from<float>({2, 1}, {-1.0f, 254.0f}));
  b.output(b.node("Mul", {c, x}, "y"));
  auto state = planned(b);
  EXPECT_EQ(2u, observed_values(state).size());
  EXPECT_TRUE(compute(state, statistics_for(state)).no_statistics.empty());
  EXPECT_DOUBLE_EQ(1.0, grid(state, c).grids[0].scale);
  EXPECT_EQ(-1, grid(state, c).grids[0].offset);
}

TEST(ComputeEncodings, FrozenEncodingsStay) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  b.output(conv(b, x, {3, 2, 1, 1}, "y"));
  auto state = planned(b);
  const auto w = state.graph.find_value("y.w"), bias = state.graph.find_value("y.b");
  for (const auto id : {x, w, bias}) {
    model::EncodingEntry& entry = state.encodings[id];
    entry.encoding.grids.push_back({0.125, -7});
    entry.frozen = true;
  }
  (void)compute(state, statistics_for(state));
  for (const auto id : {x, w, bias}) EXPECT_EQ(0.125, grid(state, id).grids[0].scale) << state.graph.value(id).name;
}

}  // namespace
}  // namespace qtool::passes::testing
