#include "qtool/ir/graph.h"

#include <gtest/gtest.h>

#include "qtool/support/error.h"

namespace qtool::ir {
namespace {

// x -> Relu -> a -> Neg -> y
Graph chain() {
  Graph graph;
  const ValueId x = graph.add_value("x");
  const ValueId a = graph.add_value("a");
  const ValueId y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.name = "neg", .op_type = "Neg", .inputs = {a}, .outputs = {y}});
  graph.add_node({.name = "relu", .op_type = "Relu", .inputs = {x}, .outputs = {a}});
  return graph;
}

TEST(Graph, OrdersProducersFirst) {
  const Graph graph = chain();
  const auto order = graph.topological_order();
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(graph.node(order[0]).op_type, "Relu");
  EXPECT_TRUE(graph.verify().empty());
}

TEST(Graph, ReplacingUsesUpdatesReadersAndOutputs) {
  Graph graph = chain();
  graph.replace_all_uses(graph.find_value("a"), graph.find_value("x"));
  EXPECT_EQ(graph.remove_unused(), 1u);
  EXPECT_EQ(graph.node_ids().size(), 1u);
  EXPECT_TRUE(graph.verify().empty());
  EXPECT_EQ(graph.find_value("a"), kNoValue);
}

TEST(Graph, FindsACycle) {
  Graph graph = chain();
  graph.set_input(graph.producer(graph.find_value("a")), 0, graph.find_value("y"));
  EXPECT_THROW((void)graph.topological_order(), Error);
}

TEST(Graph, RefusesTwoProducers) {
  Graph graph = chain();
  EXPECT_THROW(graph.add_node({.op_type = "Abs", .inputs = {graph.find_value("x")}, .outputs = {graph.find_value("y")}}),
               Error);
}

TEST(Graph, CopyIsIndependent) {
  Graph graph = chain();
  const Graph copy = graph;
  graph.erase_node(graph.producer(graph.find_value("y")));
  EXPECT_EQ(copy.node_ids().size(), 2u);
}

}  // namespace
}  // namespace qtool::ir
