// Precision by hand, float islands, and limits of a profile.
#include <gmock/gmock.h>

#include "pass_fixture.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/support/error.h"

namespace qtool::passes::testing {
namespace {

using Kind = PrecisionRule::Kind;
using ::testing::HasSubstr;

model::TargetProfile profile() {
  model::TargetProfile p{.name = "test"};
  p.weight_symmetric = true;
  p.per_channel = true;
  p.per_channel_ops = {"Conv"};
  p.bias_bits = 32;
  p.fused_groups = {{"Conv", "Relu"}};
  p.same_encoding_ops = {"Reshape", "Transpose", "MaxPool"};
  return p;
}

PrecisionRule rule(Kind kind, const std::string& pattern, int bits = 0) { return {.kind = kind, .bits = bits, .pattern = pattern, .option = "--option"}; }

// x -> Conv -> c -> Relu -> r -> MaxPool -> p -> Sigmoid -> s -> Conv -> y
struct Network {
  GraphBuilder b;
  Network() {
    const auto x = b.input("x", {1, 4, 4, 4});
    const auto c = b.node("Conv", {x, b.random("w1", {4, 4, 1, 1}), b.random("b1", {4})}, "c");
    const auto r = b.node("Relu", {c}, "r");
    const auto p = b.node("MaxPool", {r}, "p", {{"kernel_shape", Ints{2, 2}}});
    const auto s = b.node("Sigmoid", {p}, "s");
    b.output(b.node("Conv", {s, b.random("w2", {4, 4, 1, 1}), b.random("b2", {4})}, "y"));
  }
};

struct Planned {
  model::ModelState state;
  PlanNotes notes;
  const model::TensorPlan* find(const char* name) const { return state.plan.find(state.graph.find_value(name)); }
  bool is_requested_float(const char* name) const { return state.plan.requested_float.contains(state.graph.find_value(name)); }
  int bits(const char* name) const { return find(name) == nullptr ? 0 : find(name)->spec.bits; }
};

Planned plan(std::vector<PrecisionRule> rules, const model::TargetProfile& wanted = profile(), PlanOptions options = {}) {
  Network network;
  Planned planned{.state = network.b.build(), .notes = {}};
  options.rules = std::move(rules);
  planned.notes = plan_quantization(planned.state, wanted, ops::builtin_registry(), options);
  return planned;
}

std::string refusal(std::vector<PrecisionRule> rules, const model::TargetProfile& wanted = profile()) {
  try {
    (void)plan(std::move(rules), wanted);
  } catch (const Error& error) {
    EXPECT_EQ(ErrorCode::kUsage, error.code());
    return error.what();
  }
  return "accepted";
}

TEST(PrecisionByHand, AFloatOperatorBetweenQuantizedOnesKeepsGridsAtItsBorders) {
  const Planned p = plan({rule(Kind::kFloat, "Sigmoid")});
  EXPECT_EQ(1u, p.state.plan.float_nodes.size());
  ASSERT_NE(nullptr, p.find("s"));  // the second Conv reads codes
  EXPECT_THAT(p.find("s")->reason, HasSubstr("border"));
  EXPECT_NE(nullptr, p.find("p"));
}

TEST(PrecisionByHand, AFloatTailHasNoGrids) {
  const Planned p = plan({rule(Kind::kFloat, "y")});
  EXPECT_EQ(nullptr, p.find("y"));
  for (const char* name : {"y", "w2", "b2"}) EXPECT_TRUE(p.is_requested_float(name)) << name;
  EXPECT_EQ(nullptr, p.find("w2"));
  EXPECT_NE(nullptr, p.find("s"));
}

TEST(PrecisionByHand, AFusedGroupIsFloatAsAWhole) {
  const Planned p = plan({rule(Kind::kFloat, "c")});
  EXPECT_EQ(2u, p.state.plan.float_nodes.size());  // Conv and its Relu
  EXPECT_TRUE(p.is_requested_float("c"));
  EXPECT_TRUE(p.is_requested_float("x"));          // nobody reads codes of it
  ASSERT_NE(nullptr, p.find("r"));
  EXPECT_EQ(p.find("r")->leader, p.find("p")->leader);
}

TEST(PrecisionByHand, DataMovementInsideAnIslandStaysFloat) {
  const Planned p = plan({rule(Kind::kFloat, "Conv"), rule(Kind::kFloat, "Sigmoid")});
  for (const char* name : {"r", "p", "s", "y"}) EXPECT_TRUE(p.is_requested_float(name)) << name;
  EXPECT_TRUE(p.state.plan.tensors.empty());
}

TEST(PrecisionByHand, AGroupChangesItsWidthTogether) {
  for (const char* pattern : {"c", "Relu", "MaxPool", "p"}) {  // inner tensor, leader, follower by type and name
    const Planned p = plan({rule(Kind::kActivation, pattern, 16)});
    EXPECT_EQ(16, p.bits("r")) << pattern;
    EXPECT_EQ(16, p.bits("p")) << pattern;
    EXPECT_EQ(8, p.bits("s")) << pattern;
  }
  EXPECT_FALSE(plan({rule(Kind::kActivation, "MaxPool", 16)}).notes.grouped.empty());
}

TEST(PrecisionByHand, LaterRulesAreStronger) {
  EXPECT_EQ(8, plan({rule(Kind::kActivation, "*", 16), rule(Kind::kActivation, "s", 8)}).bits("s"));
  EXPECT_EQ(16, plan({rule(Kind::kActivation, "s", 8), rule(Kind::kActivation, "*", 16)}).bits("s"));
  EXPECT_EQ(4, plan({rule(Kind::kWeight, "Conv", 4), rule(Kind::kWeight, "w2", 8)}).bits("w1"));
  EXPECT_EQ(8, plan({rule(Kind::kWeight, "Conv", 4), rule(Kind::kWeight, "w2", 8)}).bits("w2"));
  const Planned undone = plan({rule(Kind::kFloat, "Conv"), rule(Kind::kActivation, "y", 8)});
  EXPECT_EQ(8, undone.bits("y"));
  EXPECT_EQ(8, undone.bits("w2"));
}

TEST(PrecisionByHand, ModelInputsAreChosenByName) { EXPECT_EQ(16, plan({rule(Kind::kActivation, "x", 16)}).bits("x")); }

TEST(PrecisionByHand, APatternThatMatchesNothingIsRefusedWithTheNearestName) {
  EXPECT_THAT(refusal({rule(Kind::kFloat, "Sigmoit")}), HasSubstr("did you mean 'Sigmoid'"));
  EXPECT_THAT(refusal({rule(Kind::kWeight, "Relu", 4)}), HasSubstr("with a constant weight"));
}

TEST(PrecisionByHand, AnEightBitBiasGivesWayBesideWideActivations) {
  model::TargetProfile narrow = profile();
  narrow.bias_bits = 8;
  narrow.per_channel = false;
  EXPECT_EQ(8, plan({}, narrow).bits("b1"));
  EXPECT_EQ(32, plan({rule(Kind::kActivation, "x", 16)}, narrow).bits("b1"));
}

TEST(ProfileLimits, AskedByHandIsRefusedAndAskedInGeneralIsNarrowed) {
  model::TargetProfile limited = profile();
  limited.op_limits["Conv"] = {.activation_bits = {8, 16}, .weight_bits = {4, 8}, .weight_bits_at_16 = {4, 8, 16}};
  EXPECT_THAT(refusal({rule(Kind::kWeight, "w1", 16)}, limited), HasSubstr("profile 'test'"));
  EXPECT_EQ(16, plan({rule(Kind::kActivation, "x", 16), rule(Kind::kWeight, "w1", 16)}, limited).bits("w1"));
  limited.weight_bits = 16;
  const Planned p = plan({}, limited);
  EXPECT_EQ(8, p.bits("w1"));
  EXPECT_EQ(2u, p.notes.limited.size());
}

// a, b -> MatMul -> m, the second through a Transpose.
Planned plan_product(std::vector<PrecisionRule> rules, bool symmetric_second) {
  GraphBuilder b;
  const auto first = b.node("Sigmoid", {b.input("x", {4, 4})}, "a");
  const auto second = b.node("Relu", {b.input("z", {4, 4})}, "b");
  b.output(b.node("MatMul", {first, b.node("Transpose", {second}, "bt", {{"perm", Ints{1, 0}}})}, "m"));
  Planned planned{.state = b.build(), .notes = {}};
  PlanOptions options;
  options.rules = std::move(rules);
  model::TargetProfile wanted = profile();
  wanted.op_limits["MatMul"].symmetric_second_at_16 = symmetric_second;
  planned.notes = plan_quantization(planned.state, wanted, ops::builtin_registry(), options);
  return planned;
}

TEST(ProfileLimits, AWideSecondInputIsSymmetricAndWidensTheFirst) {
  const Planned p = plan_product({rule(Kind::kActivation, "b", 16)}, true);
  for (const char* name : {"b", "bt"}) {
    EXPECT_EQ(16, p.bits(name));
    EXPECT_EQ(quant::Symmetry::kSymmetric, p.find(name)->spec.symmetry) << name;
  }
  EXPECT_EQ(16, p.bits("a"));
  EXPECT_EQ(quant::Symmetry::kAsymmetric, p.find("a")->spec.symmetry);
  EXPECT_EQ(8, p.bits("m"));
  ASSERT_EQ(1u, p.notes.grouped.size());
  EXPECT_THAT(p.notes.grouped[0], HasSubstr("a: 16 bits, as the second input"));
}

TEST(ProfileLimits, ANarrowSecondInputAndOtherProfilesStayAsTheyAre) {
  EXPECT_EQ(quant::Symmetry::kAsymmetric, plan_product({rule(Kind::kActivation, "a", 16)}, true).find("b")->spec.symmetry);
  const Planned p = plan_product({rule(Kind::kActivation, "b", 16)}, false);
  EXPECT_EQ(quant::Symmetry::kAsymmetric, p.find("b")->spec.symmetry);
  EXPECT_EQ(8, p.bits("a"));
}

TEST(ProfileLimits, OnlyTheNamedOperatorsAreQuantized) {
  model::TargetProfile fallback = profile();
  fallback.quantized_ops = {"Conv"};
  const Planned p = plan({}, fallback);
  EXPECT_EQ(1u, p.state.plan.float_nodes.size());  // Sigmoid; Relu is part of its Conv, MaxPool moves codes
  EXPECT_NE(nullptr, p.find("s"));
}

TEST(BlockWeights, BlocksLieAlongTheInputChannels) {
  PlanOptions options;
  options.blocks = {.block_size = 2, .decompressed_bits = 8};
  const Planned p = plan({rule(Kind::kWeight, "w1", 4)}, profile(), options);
  EXPECT_EQ(2, p.find("w1")->spec.block_size);
  EXPECT_EQ(1, p.find("w1")->spec.block_axis);
  EXPECT_EQ(8, p.find("w1")->spec.decompressed_bits);
  EXPECT_EQ(0, p.find("w2")->spec.block_size);  // 8 bits
  options.blocks.block_size = 3;
  const Planned odd = plan({rule(Kind::kWeight, "w1", 4)}, profile(), options);
  EXPECT_EQ(0, odd.find("w1")->spec.block_size);
  EXPECT_EQ(1u, odd.notes.unblocked.size());
}

TEST(FixedEncodings, LeadTheirFollowersAndFollowNobody) {
  PlanOptions options;
  Network network;
  const auto state = network.b.build();
  const auto pooled = state.graph.find_value("p");
  options.fixed[pooled] = {.bits = 16, .grids = {{0.5, -3}}};
  const Planned p = plan({}, profile(), options);
  EXPECT_EQ(pooled, p.find("p")->leader);
  EXPECT_EQ(16, p.bits("p"));
  EXPECT_EQ(8, p.bits("r"));
}

TEST(FloatTensors, TakeTheirLayerAlong) {
  PlanOptions options;
  Network network;
  options.float_tensors = {network.b.build().graph.find_value("b2")};
  const Planned p = plan({}, profile(), options);
  EXPECT_EQ(nullptr, p.find("w2"));
  EXPECT_TRUE(p.is_requested_float("y"));
}

}  // namespace
}  // namespace qtool::passes::testing
