#include "float_joins.h"

#include <gtest/gtest.h>

#include "optimize_fixture.h"

namespace qtool::optimize::testing {
namespace {

// boxes (0..`reach`) and scores (0..1) joined, then moved and joined once more; `computed`: a Mul behind it all.
ir::Graph detector(bool computed) {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 4, 4, 4});
  const ir::ValueId boxes = b.node("Mul", {b.node("Conv", {x, b.random("wb", {4, 4, 1, 1})}, "raw"), b.constant("stride", Tensor::scalar(8.0f))}, "boxes");
  const ir::ValueId scores = b.node("Sigmoid", {b.node("Conv", {x, b.random("ws", {3, 4, 1, 1})}, "logits")}, "scores");
  const ir::ValueId joined = b.node("Concat", {boxes, scores}, "joined", {{"axis", int64_t{1}}});
  const ir::ValueId moved = b.node("Transpose", {joined}, "moved", {{"perm", Ints{0, 2, 3, 1}}});
  const ir::ValueId all = b.node("Concat", {moved, moved}, "all", {{"axis", int64_t{1}}});
  b.output(computed ? b.node("Mul", {all, b.constant("two", Tensor::scalar(2.0f))}, "y") : all);
  return b.build().graph;
}

std::vector<ir::ValueId> joins(const ir::Graph& graph, double reach) {
  const HeadAnalysis head = analyze_head(graph, [&](ir::ValueId id) -> std::optional<quant::Range> {
    const std::string& name = graph.value(id).name;
    if (name == "boxes") return quant::Range{0.0, reach};
    if (name == "scores") return quant::Range{0.0, 1.0};
    return std::nullopt;
  });
  std::vector<ir::ValueId> found;
  for (const FloatJoin& join : joins_for_float(graph, head, 16)) found.push_back(join.value);
  return found;
}

TEST(FloatJoins, WhereSixteenBitsKeepFewerLevelsThanEightOfItsOwn) {
  const ir::Graph graph = detector(false);
  EXPECT_EQ(joins(graph, 640.0), (std::vector<ir::ValueId>{graph.find_value("joined"), graph.find_value("all")}));
}

TEST(FloatJoins, NotWhereSixteenBitsAreEnough) { EXPECT_TRUE(joins(detector(false), 200.0).empty()); }

TEST(FloatJoins, NotWhereSomethingComputesWithThem) { EXPECT_TRUE(joins(detector(true), 640.0).empty()); }

}  // namespace
}  // namespace qtool::optimize::testing
