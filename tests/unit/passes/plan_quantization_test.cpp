// Which tensors get a grid.
#include "quantization_fixture.h"

namespace qtool::passes::testing {
namespace {

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

}  // namespace
}  // namespace qtool::passes::testing
