// Reruns behind changed tensors against the interpreter on a graph that has the change as an operator.
#include "qtool/exec/suffix_session.h"

#include "qtool/support/error.h"
#include "random_graph.h"

namespace qtool::exec::testing {
namespace {

constexpr float kFactor = 0.75f;
constexpr double kTolerance = 3e-5;

void scale(ir::ValueId, std::span<float> values) {
  for (float& value : values) value *= kFactor;
}

// Readers of each value read its product with kFactor instead.
ir::Graph with_changes(ir::Graph graph, const std::vector<ir::ValueId>& changed) {
  for (const ir::ValueId id : changed) {
    const ir::ValueId scaled = graph.add_value(graph.unique_name(graph.value(id).name + ".scaled"), graph.type_of(id));
    const ir::ValueId factor = graph.add_constant(graph.unique_name("factor"), Tensor::scalar(kFactor));
    graph.replace_all_uses(id, scaled);
    graph.add_node({.name = graph.unique_name("change"), .op_type = "Mul", .opset = 13, .inputs = {id, factor}, .outputs = {scaled}});
  }
  return graph;
}

std::vector<ir::ValueId> float_values(const ir::Graph& graph) {
  std::vector<ir::ValueId> values;
  for (const ir::ValueId id : graph.value_ids()) {
    if (!graph.is_constant(id) && graph.type_of(id).dtype == DType::kFloat32) values.push_back(id);
  }
  return values;
}

void expect_rerun(SuffixSession& session, const ir::Graph& graph, const std::vector<Tensor>& inputs, const std::vector<ir::ValueId>& changed) {
  session.rerun(changed, scale);
  const ir::Graph reference = with_changes(graph, changed);
  const auto expected = ops::interpret(reference, ops::builtin_registry(), inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    expect_close(expected[i], session.changed_output(i), format("output {} behind {}", i, graph.value(changed.front()).name), kTolerance);
  }
}

TEST(SuffixSession, EveryTensorOfRandomGraphsCanBeChangedInAnyOrder) {
  for (unsigned seed = 6001; seed <= 6060; ++seed) {
    SCOPED_TRACE(format("seed {}", seed));
    const ir::Graph graph = random_graph(seed);
    const std::vector<ir::ValueId> values = float_values(graph);
    const auto inputs = random_inputs(graph, seed);
    SuffixSession session(Executor(graph, {.observed = values, .keep_values = true}));
    session.run(inputs);
    const auto clean = ops::interpret(graph, ops::builtin_registry(), inputs);
    for (const ir::ValueId id : values) expect_rerun(session, graph, inputs, {id});
    std::mt19937 random(seed);
    for (int i = 0; i < 5; ++i) expect_rerun(session, graph, inputs, {values[random() % values.size()]});
    std::vector<ir::ValueId> several;
    for (const ir::ValueId id : values) {
      if (random() % 3 == 0) several.push_back(id);
    }
    if (!several.empty()) expect_rerun(session, graph, inputs, several);
    for (size_t i = 0; i < clean.size(); ++i) expect_close(clean[i], session.output(i), "the run itself", kTolerance);
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
}

// Only some values observed: the others stay fused, views or parts of a concatenation.
TEST(SuffixSession, ValuesThatAreNotObservedMayBeFused) {
  for (unsigned seed = 7001; seed <= 7060; ++seed) {
    SCOPED_TRACE(format("seed {}", seed));
    const ir::Graph graph = random_graph(seed);
    std::mt19937 random(seed);
    std::vector<ir::ValueId> observed;
    for (const ir::ValueId id : float_values(graph)) {
      if (random() % 3 == 0) observed.push_back(id);
    }
    if (observed.empty()) continue;
    const auto inputs = random_inputs(graph, seed);
    SuffixSession session(Executor(graph, {.observed = observed, .keep_values = true}));
    for (int round = 0; round < 2; ++round) {
      session.run(inputs);
      for (const ir::ValueId id : observed) expect_rerun(session, graph, inputs, {id});
    }
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
}

TEST(SuffixSession, TellsWhichOutputsAreBehindTheChange) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 4, 4});
  const auto left = b.node("Relu", {x}, "left"), right = b.node("Neg", {x}, "right");
  b.output(b.node("Abs", {left}, "a"));
  b.output(b.node("Abs", {right}, "b"));
  const ir::Graph graph = b.build().graph;
  SuffixSession session(Executor(graph, {.observed = {left, right}, .keep_values = true}));
  session.run(random_inputs(graph, 1));
  const std::vector<ir::ValueId> changed = {right};
  session.rerun(changed, scale);
  EXPECT_FALSE(session.output_changed(0));
  EXPECT_TRUE(session.output_changed(1));
}

}  // namespace
}  // namespace qtool::exec::testing
