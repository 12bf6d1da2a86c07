// Which tensors get a grid (plan_quantization), and which grid (compute_encodings).
#include <cmath>

#include "pass_fixture.h"
#include "qtool/quant/quantize.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/quant/quantize.h"

namespace qtool::passes::testing {
namespace {

using calib::TensorStatistics;
using model::TensorRole;

model::TargetProfile profile() {
  return {.name = "test",
          .summary = {},
          .weight_symmetric = true,
          .per_channel = true,
          .per_channel_ops = {"Conv", "ConvTranspose"},
          .bias_bits = 32,
          .fused_groups = {{"Conv", "Relu"}},
          .same_encoding_ops = {"Reshape", "MaxPool", "Transpose"},
          .tied_ops = {"Concat"},
          .fixed_output_ranges = {{"Sigmoid", {0.0, 1.0}}},
          .unquantized_ops = {"Shape", "Cast"}};
}

model::ModelState planned(GraphBuilder& b, const model::TargetProfile& wanted = profile()) {
  model::ModelState state = b.build();
  plan_quantization(state, wanted, ops::builtin_registry());
  return state;
}

std::map<ir::ValueId, TensorStatistics> statistics_for(const model::ModelState& state, quant::Range range = {-1.0, 3.0}) {
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(state)) statistics[id] = {.range = range, .count = 10, .non_finite = 0, .histogram = {}};
  return statistics;
}

EncodingNotes compute(model::ModelState& state, const std::map<ir::ValueId, TensorStatistics>& statistics) {
  const calib::Method& method = calib::builtin_registry().at("min-max");
  return compute_encodings(state, statistics, method, method);
}

ir::ValueId conv(GraphBuilder& b, ir::ValueId x, Shape weight, const std::string& output, Attributes attributes = {}) {
  const int64_t out = weight[0];
  return b.node("Conv", {x, b.random(output + ".w", std::move(weight)), b.random(output + ".b", {out})}, output, std::move(attributes));
}

const quant::Encoding& grid(const model::ModelState& state, ir::ValueId id) { return state.encodings.at(id).encoding; }

// ---- plan -------------------------------------------------------------------------------------------------------

// W and R on one grid each, whatever is per channel elsewhere; biases and states stay float.
TEST(PlanQuantization, WeightsOfRecurrentOperatorsHaveOneGridEach) {
  GraphBuilder b(14);
  const auto x = b.input("x", {5, 1, 3});
  const auto h = b.random("h", {1, 1, 4});
  const auto outputs = b.nodes("LSTM", {x, b.random("w", {1, 16, 3}), b.random("r", {1, 16, 4}), b.random("b", {1, 32}), ir::kNoValue, h}, {"y", "y_h"},
                               {{"hidden_size", int64_t{4}}});
  b.output(outputs[0]);
  model::TargetProfile per_channel = profile();
  per_channel.per_channel_ops.insert("LSTM");
  const model::ModelState state = planned(b, per_channel);
  for (const char* name : {"w", "r"}) {
    const model::TensorPlan* plan = state.plan.find(state.graph.find_value(name));
    ASSERT_NE(nullptr, plan) << name;
    EXPECT_EQ(TensorRole::kWeight, plan->role);
    EXPECT_EQ(-1, plan->spec.channel_axis);
    EXPECT_EQ(quant::Symmetry::kSymmetric, plan->spec.symmetry);
  }
  for (const char* name : {"b", "h"}) EXPECT_EQ(nullptr, state.plan.find(state.graph.find_value(name))) << name;
  EXPECT_NE(nullptr, state.plan.find(outputs[0]));
}

TEST(PlanQuantization, InsideAFusedGroupThereIsNoGrid) {
  GraphBuilder b;
  const auto inner = conv(b, b.input("x", {1, 2, 4, 4}), {3, 2, 1, 1}, "inner");
  const auto y = b.node("Relu", {inner}, "y");
  b.output(y);
  const auto state = planned(b);
  EXPECT_EQ(nullptr, state.plan.find(inner));
  EXPECT_NE(std::string::npos, state.plan.left_float.at(inner).find("Conv+Relu"));
  EXPECT_EQ(y, state.plan.tensors.at(y).leader);
}

TEST(PlanQuantization, AnInnerValueThatSomebodyElseReadsKeepsItsGrid) {
  for (const bool is_output : {false, true}) {
    GraphBuilder b;
    const auto inner = conv(b, b.input("x", {1, 2, 4, 4}), {3, 2, 1, 1}, "inner");
    b.output(b.node("Relu", {inner}, "y"));
    b.output(is_output ? inner : b.node("Neg", {inner}, "z"));
    EXPECT_NE(nullptr, planned(b).plan.find(inner));
  }
}

TEST(PlanQuantization, MovementFollowsTheLeaderOfItsInput) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 4, 4});
  const auto y = b.node("Neg", {x}, "y");
  const auto pooled = b.node("MaxPool", {y}, "pooled", {{"kernel_shape", Ints{2, 2}}});
  const auto flat = b.node("Reshape", {pooled, b.constant("s", ints({1, -1}))}, "flat");
  b.output(flat);
  const auto state = planned(b);
  EXPECT_EQ(y, state.plan.tensors.at(pooled).leader);
  EXPECT_EQ(y, state.plan.tensors.at(flat).leader);  // the leader, not a chain
  EXPECT_EQ((std::vector{x, y}), observed_values(state));
}

TEST(PlanQuantization, TiedOperatorsShareOneGrid) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 4, 4});
  const auto left = b.node("Neg", {x}, "left"), right = b.node("Abs", {x}, "right");
  const auto gate = b.node("Sigmoid", {x}, "gate");
  const auto moved = b.node("Transpose", {left}, "moved", {{"perm", Ints{0, 1, 3, 2}}});
  const auto joined = b.node("Concat", {left, right, gate}, "joined", {{"axis", int64_t{1}}});
  b.output(joined);
  b.output(moved);
  const auto state = planned(b);
  for (const auto id : {left, right, moved}) EXPECT_EQ(joined, state.plan.tensors.at(id).leader) << state.graph.value(id).name;
  EXPECT_EQ(gate, state.plan.tensors.at(gate).leader);  // prescribed elsewhere
}

TEST(PlanQuantization, PrescribedRangesAreNotObserved) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  const auto y = b.node("Sigmoid", {x}, "y");
  b.output(y);
  const auto state = planned(b);
  EXPECT_EQ((quant::Range{0.0, 1.0}), state.plan.tensors.at(y).fixed_range);
  EXPECT_EQ((std::vector{x}), observed_values(state));
}

TEST(PlanQuantization, IntegersAndUnquantizedOutputsHaveNoGrid) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3}), indices = b.input("indices", {2}, DType::kInt64);
  const auto shape = b.node("Shape", {x}, "shape");
  const auto cast = b.node("Cast", {indices}, "cast", {{"to", int64_t{1}}});
  for (const auto id : {shape, cast}) b.output(id);
  b.output(b.node("Gather", {x, indices}, "picked"));
  const auto state = planned(b);
  EXPECT_EQ(nullptr, state.plan.find(indices));
  EXPECT_EQ(nullptr, state.plan.find(shape));
  EXPECT_EQ(nullptr, state.plan.find(cast));
  EXPECT_TRUE(state.plan.left_float.contains(cast));
  EXPECT_NE(nullptr, state.plan.find(state.graph.find_value("picked")));
}

TEST(PlanQuantization, InputsStayFloatWhenTheProfileSaysSo) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  b.output(b.node("Neg", {x}, "y"));
  auto wanted = profile();
  wanted.quantize_inputs = false;
  EXPECT_EQ(nullptr, planned(b, wanted).plan.find(x));
}

TEST(PlanQuantization, WeightsAndBiasesKnowTheirRoles) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  b.output(conv(b, x, {3, 2, 1, 1}, "y"));
  const auto state = planned(b);
  const auto w = state.graph.find_value("y.w"), bias = state.graph.find_value("y.b");
  EXPECT_EQ(TensorRole::kWeight, state.plan.tensors.at(w).role);
  EXPECT_EQ(0, state.plan.tensors.at(w).spec.channel_axis);
  EXPECT_EQ(TensorRole::kBias, state.plan.tensors.at(bias).role);
  EXPECT_EQ(x, state.plan.tensors.at(bias).bias_of_input);
  EXPECT_EQ(w, state.plan.tensors.at(bias).bias_of_weight);
  EXPECT_EQ(32, state.plan.tensors.at(bias).spec.bits);
}

TEST(PlanQuantization, EightBitBiasesHaveTheirOwnRange) {
  GraphBuilder b;
  b.output(conv(b, b.input("x", {1, 2, 4, 4}), {3, 2, 1, 1}, "y"));
  auto wanted = profile();
  wanted.bias_bits = 8;
  wanted.per_channel = false;  // the backend has no 8-bit bias beside per-channel weights
  const auto state = planned(b, wanted);
  EXPECT_EQ(ir::kNoValue, state.plan.tensors.at(state.graph.find_value("y.b")).bias_of_input);
}

TEST(PlanQuantization, SharedWeightsHaveOneEntry) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  const auto w = b.random("w", {2, 2, 1, 1});
  const auto first = b.node("Conv", {x, w}, "first");
  b.output(b.node("Conv", {first, w}, "second"));
  const auto state = planned(b);
  EXPECT_EQ(TensorRole::kWeight, state.plan.tensors.at(w).role);
}

TEST(PlanQuantization, ChannelAxisOfEveryKindOfConvolution) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 4, 4});
  b.output(conv(b, x, {4, 1, 3, 3}, "depthwise", {{"group", int64_t{4}}}));
  b.output(b.node("ConvTranspose", {x, b.random("t.w", {4, 3, 2, 2})}, "t"));
  b.output(b.node("ConvTranspose", {x, b.random("g.w", {4, 3, 2, 2})}, "g", {{"group", int64_t{2}}}));
  b.output(b.node("Gemm", {b.input("f", {1, 4}), b.random("m.w", {4, 5})}, "m"));
  const auto state = planned(b);
  const auto axis = [&](const char* name) { return state.plan.tensors.at(state.graph.find_value(name)).spec.channel_axis; };
  EXPECT_EQ(0, axis("depthwise.w"));
  EXPECT_EQ(1, axis("t.w"));
  EXPECT_EQ(-1, axis("g.w"));  // output channels of the groups lie on no axis
  EXPECT_EQ(-1, axis("m.w"));  // the profile names no Gemm
}

// ---- encodings --------------------------------------------------------------------------------------------------

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
