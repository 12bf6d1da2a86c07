// Models of operator set 6: operands are aligned by an attribute.
#include <gmock/gmock.h>

#include "node_runner.h"
#include "qtool/ops/interpreter.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;

ir::Graph graph_of(const std::string& op, Attributes attributes, const Shape& first, Tensor second) {
  ir::Graph graph;
  const ir::ValueId x = graph.add_value("x", TensorType{DType::kFloat32, first});
  const ir::ValueId w = graph.add_constant("w", std::move(second)), y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.op_type = op, .opset = 6, .inputs = {x, w}, .outputs = {y}, .attributes = std::move(attributes)});
  infer_shapes(graph, builtin_registry());
  return graph;
}

std::vector<float> result_of(const ir::Graph& graph, Tensor input) {
  return values<float>(interpret(graph, builtin_registry(), std::vector<Tensor>{std::move(input)}).at(0));
}

TEST(LegacyBroadcast, AlignsTheOperandAtItsAxis) {
  const ir::Graph graph = graph_of("Add", {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}}, {2, 2}, floats({2}, {10, 20}));
  EXPECT_EQ(graph.node_ids().size(), 1u) << "the Unsqueeze of a constant is folded";
  EXPECT_THAT(result_of(graph, floats({2, 2}, {1, 2, 3, 4})), ElementsAre(11, 12, 23, 24));
}

TEST(LegacyBroadcast, AlignsAtTheEndWithoutAxis) {
  const ir::Graph graph = graph_of("Mul", {{"broadcast", int64_t{1}}}, {2, 2}, floats({2}, {10, 20}));
  EXPECT_THAT(result_of(graph, floats({2, 2}, {1, 2, 3, 4})), ElementsAre(10, 40, 30, 80));
}

TEST(LegacyBroadcast, PReluHasASlopeAChannel) {
  const ir::Graph graph = graph_of("PRelu", {}, {1, 2, 2}, floats({2}, {10, 20}));
  EXPECT_THAT(result_of(graph, floats({1, 2, 2}, {-1, 2, -3, -4})), ElementsAre(-10, 2, -60, -80));
}

TEST(LegacyBroadcast, OldNodesDoNotBroadcastUnasked) {
  EXPECT_THROW((void)graph_of("Add", {}, {2, 2}, floats({2}, {10, 20})), Error);
  EXPECT_THROW((void)graph_of("Add", {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}, {2, 2}, floats({2, 2}, {1, 2, 3, 4})), Error);
}

TEST(LegacyBroadcast, VersionsBeforeTheOldestAreListed) {
  ir::Graph graph;
  const ir::ValueId x = graph.add_value("x", TensorType{DType::kFloat32, Shape{1}}), y = graph.add_value("y");
  graph.add_node({.name = "n", .op_type = "HardSwish", .opset = 6, .inputs = {x}, .outputs = {y}});
  EXPECT_THAT(unsupported_nodes(graph, builtin_registry()), ElementsAre(::testing::HasSubstr("of operator set 6, known since 14")));
}

}  // namespace
}  // namespace qtool::ops::testing
