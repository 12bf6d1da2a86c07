// Small graphs for pass tests, and the comparison of a graph before and after a pass on the reference kernels.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "qtool/ops/interpreter.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/passes/cleanup.h"
#include "qtool/passes/registry.h"
#include "support/graph_builder.h"

namespace qtool::passes::testing {

using qtool::testing::Attributes;
using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using qtool::testing::ints;
using qtool::testing::random_tensor;

inline std::vector<std::string> op_types(const ir::Graph& graph) {
  std::vector<std::string> types;
  for (const ir::NodeId id : graph.topological_order()) types.push_back(graph.node(id).op_type);
  return types;
}

// What passes promise of every graph: no violations, interface unchanged, every type right.
inline void expect_sound(const ir::Graph& before, const ir::Graph& after) {
  EXPECT_TRUE(after.verify().empty()) << after.verify().front();
  const auto names = [](const ir::Graph& graph, const std::vector<ir::ValueId>& ids) {
    std::vector<std::string> list;
    for (const ir::ValueId id : ids) list.push_back(graph.value(id).name);
    return list;
  };
  EXPECT_EQ(names(before, before.inputs), names(after, after.inputs));
  EXPECT_EQ(names(before, before.outputs), names(after, after.outputs));
  ir::Graph again = after;
  for (const ir::NodeId id : again.node_ids()) {
    for (const ir::ValueId output : again.node(id).outputs) {
      if (output != ir::kNoValue) again.value(output).type.reset();
    }
  }
  ops::infer_shapes(again, ops::builtin_registry(), {.fold_constants = false});
  for (const ir::ValueId id : after.value_ids()) {
    EXPECT_EQ(after.value(id).type, again.value(id).type) << after.value(id).name;
  }
}

inline void expect_same_outputs(const ir::Graph& before, const ir::Graph& after, double tolerance = 1e-5) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : before.inputs) {
    const TensorType& type = before.type_of(id);
    inputs.push_back(random_tensor(type.shape, 1000 + static_cast<unsigned>(inputs.size()), -4.0f, 4.0f).cast(type.dtype));
  }
  const auto expected = ops::interpret(before, ops::builtin_registry(), inputs);
  const auto found = ops::interpret(after, ops::builtin_registry(), inputs);
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].shape(), found[i].shape());
    const auto a = expected[i].to_float(), b = found[i].to_float();
    double largest = 0.0, worst = 0.0;
    for (size_t k = 0; k < a.size(); ++k) {
      largest = std::max(largest, std::abs(double{a[k]}));
      worst = std::max(worst, std::abs(double{a[k]} - double{b[k]}));
    }
    EXPECT_LE(worst, tolerance * std::max(largest, 1e-6)) << "output " << i;
  }
}

// Runs one pass on a copy of the builder's graph and checks what holds for every pass.
struct Outcome {
  model::ModelState state;
  int64_t changes = 0;
  [[nodiscard]] const ir::Graph& graph() const { return state.graph; }
  [[nodiscard]] const ir::Node& producer(const std::string& value) const {
    return state.graph.node(state.graph.producer(state.graph.find_value(value)));
  }
};

inline Outcome run_pass(GraphBuilder& builder, const std::string& pass, double tolerance = 1e-5) {
  Outcome outcome{.state = builder.build()};
  const ir::Graph before = outcome.state.graph;
  SilentReporter silent;
  outcome.changes = builtin_registry().at(pass).make()->run(outcome.state, silent).changes;
  expect_sound(before, outcome.state.graph);
  expect_same_outputs(before, outcome.state.graph, tolerance);
  return outcome;
}

inline Outcome clean(GraphBuilder& builder, double tolerance = 1e-5) {
  Outcome outcome{.state = builder.build()};
  const ir::Graph before = outcome.state.graph;
  SilentReporter silent;
  for (const PassLogEntry& entry : run_cleanup(outcome.state, {}, silent)) outcome.changes += entry.changes;
  expect_sound(before, outcome.state.graph);
  expect_same_outputs(before, outcome.state.graph, tolerance);
  return outcome;
}

using OpTypes = std::vector<std::string>;

}  // namespace qtool::passes::testing
