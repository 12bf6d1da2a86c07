// What a fusion must keep; random_graph_test covers their combinations.
#include "exec_fixture.h"

namespace qtool::exec::testing {
namespace {

TEST(Fusion, ActivationsAreFusedIntoTheConvolution) {
  for (const std::string kind : {"Relu", "Clip", "Silu"}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 16, 5, 5}), 16, 20, "x1");
    ir::ValueId y{};
    if (kind == "Relu") y = b.node("Relu", {x}, "y");
    if (kind == "Clip") y = b.node("Clip", {x, b.scalar(0.25f), b.scalar(0.75f)}, "y");
    if (kind == "Silu") y = b.node("Mul", {b.node("Sigmoid", {x}, "gate"), x}, "y");
    b.output(conv(b, y, 20, 8, "z"));  // padding lanes of y meet zero weights
    const PlanSummary summary = expect_as_interpreted(b);
    EXPECT_EQ(3u, summary.steps) << kind;  // into channel blocks and two convolutions
  }
}

TEST(Fusion, IntermediatesThatSomebodyNeedsKeepTheirValues) {
  enum class Need { kOutput, kTap, kReader };
  for (const Need need : {Need::kOutput, Need::kTap, Need::kReader}) {
    for (const bool gate_needed : {false, true}) {
      GraphBuilder b;
      const auto x = conv(b, b.input("x", {1, 16, 5, 5}), 16, 20, "x1");
      const auto gate = b.node("Sigmoid", {x}, "gate");
      b.output(b.node("Mul", {x, gate}, "y"));
      const auto needed = gate_needed ? gate : x;
      std::vector<ir::ValueId> observed;
      if (need == Need::kOutput) b.output(needed);
      if (need == Need::kTap) observed.push_back(needed);
      if (need == Need::kReader) b.output(b.node("Neg", {needed}, "reader"));
      expect_as_interpreted(b, observed);
    }
  }
}

TEST(Fusion, TwoProductsOfOneGate) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 5, 5});
  const auto gate = b.node("Sigmoid", {x}, "gate");
  b.output(b.node("Mul", {x, gate}, "a"));
  b.output(b.node("Mul", {gate, x}, "b"));
  expect_as_interpreted(b);
}

TEST(Fusion, ClipWithOneBoundOnly) {
  for (const bool lower : {false, true}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 3, 5, 5}), 3, 16, "x1");
    const auto bound = b.scalar(0.1f);
    b.output(b.node("Clip", {x, lower ? bound : ir::kNoValue, lower ? ir::kNoValue : bound}, "y"));
    expect_as_interpreted(b);
  }
}

TEST(Fusion, ConvolutionWhoseActivationIsAConcatPart) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 5, 5});
  const auto left = b.node("Relu", {conv(b, x, 16, 16, "left")}, "left_relu");
  const auto right = b.node("Relu", {conv(b, x, 16, 20, "right")}, "right_relu");
  const auto joined = b.node("Concat", {left, right}, "joined", {{"axis", int64_t{1}}});
  b.output(conv(b, joined, 36, 8, "z"));
  expect_as_interpreted(b, {left, joined});
}

}  // namespace
}  // namespace qtool::exec::testing
