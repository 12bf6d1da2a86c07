// Steps made of several movements: the same values as node by node, and no step for what is not moved.
#include "movement_patterns.h"

#include "exec_fixture.h"
#include "isa_scope.h"

namespace qtool::exec::testing {
namespace {

// A head as YOLOv5 has it: convolution, [N, 3 * K, H, W] -> [N, 3, H, W, K], Sigmoid, then some columns changed.
struct Head {
  ir::Graph graph;
  ir::ValueId table, joined;
};

Head head(int64_t columns, bool read_table_later = false, int64_t slice_begin = 2) {
  GraphBuilder b(17);
  const int64_t h = 5, w = 7;
  const auto x = b.node("Conv", {b.input("x", {1, 16, h, w}), b.random("w", {3 * columns, 16, 1, 1}, -0.2f, 0.2f)}, "conv");
  const auto split = b.node("Reshape", {x, b.constant("shape", ints({1, 3, columns, h, w}))}, "split");
  const auto turned = b.node("Transpose", {split}, "turned", {{"perm", Ints{0, 1, 3, 4, 2}}});
  const auto table = b.node("Sigmoid", {turned}, "table");
  const auto cut = [&](int64_t begin, int64_t end, const std::string& name) {
    return b.node("Slice", {table, b.constant(name + ".b", ints({begin})), b.constant(name + ".e", ints({end})), b.constant(name + ".a", ints({4}))}, name);
  };
  const auto boxes = b.node("Mul", {cut(0, 2, "boxes"), b.scalar(8.0f)}, "scaled");
  const auto rest = cut(slice_begin, slice_begin + columns - 2, "rest");
  const auto joined = b.node("Concat", {boxes, rest}, "joined", {{"axis", int64_t{-1}}});
  b.output(joined);
  if (read_table_later) b.output(b.node("Neg", {table}, "later"));
  return {b.build().graph, table, joined};
}

size_t steps_called(const Executor& executor, const ir::Graph& graph, std::string_view op) {
  size_t count = 0;
  for (const StepTime& step : executor.new_session().profile(random_inputs(graph, 1), 1)) count += step.op == op;
  return count;
}

void expect_same_as_interpreter(const ir::Graph& graph) {
  const auto inputs = random_inputs(graph, 11);
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    for (const int threads : {1, 3}) {
      const auto found = Executor(graph, {.intra_threads = threads}).new_session().run(inputs);
      for (size_t i = 0; i < expected.size(); ++i) expect_close(expected[i], found[i], isa);
    }
  }
}

TEST(MovementPatterns, AHeadIsTurnedAndPatchedInPlace) {
  for (const int64_t columns : {3, 16, 21, 85}) {
    const Head h = head(columns);
    const Executor executor(h.graph, {});
    EXPECT_EQ(steps_called(executor, h.graph, "qtool.ChannelsLast"), 1u);
    EXPECT_EQ(steps_called(executor, h.graph, "qtool.Overlay"), 1u);
    EXPECT_EQ(steps_called(executor, h.graph, "Sigmoid"), 0u);
    EXPECT_EQ(steps_called(executor, h.graph, "Transpose"), 0u);
    expect_same_as_interpreter(h.graph);
  }
}

TEST(MovementPatterns, AnOverlayKeepsATableThatIsReadLater) {
  const Head h = head(21, true);
  EXPECT_EQ(steps_called(Executor(h.graph, {}), h.graph, "qtool.Overlay"), 1u);
  expect_same_as_interpreter(h.graph);
}

TEST(MovementPatterns, OnlyAPartThatGoesBackToItsPlaceIsLeftThere) {
  GraphBuilder b(17);
  const auto x = b.input("x", {3, 8});
  const auto cut = b.node("Slice", {x, b.constant("b", ints({0})), b.constant("e", ints({6})), b.constant("a", ints({1}))}, "cut");
  const auto first = b.node("Slice", {x, b.constant("b2", ints({6})), b.constant("e2", ints({8})), b.constant("a2", ints({1}))}, "first");
  b.output(b.node("Concat", {first, cut}, "joined", {{"axis", int64_t{1}}}));  // columns change places
  const ir::Graph graph = b.build().graph;
  EXPECT_FALSE(find_overlay(graph, graph.node(graph.producer(graph.outputs[0]))).has_value());
  expect_same_as_interpreter(graph);
}

TEST(MovementPatterns, AnObservedValueIsStillMade) {
  const Head h = head(21);
  const ir::ValueId split = h.graph.find_value("split"), rest = h.graph.find_value("rest"), turned = h.graph.find_value("turned");
  const auto inputs = random_inputs(h.graph, 5);
  const auto expected = interpret_all(h.graph, inputs);
  Session session = Executor(h.graph, {.observed = {split, rest, turned}}).new_session();
  const Observation seen = run_observed(session, inputs);
  for (const ir::ValueId id : {split, rest, turned}) expect_close(expected.at(id), seen.taps.at(id), h.graph.value(id).name);
}

TEST(MovementPatterns, ATransposeToChannelsLastReadsBlocks) {
  GraphBuilder b(17);
  const auto y = b.node("Conv", {b.input("x", {2, 16, 6, 9}), b.random("w", {37, 16, 3, 3}, -0.2f, 0.2f)}, "y", {{"pads", Ints{1, 1, 1, 1}}});
  b.output(b.node("Transpose", {y}, "z", {{"perm", Ints{0, 2, 3, 1}}}));
  const ir::Graph graph = b.build().graph;
  EXPECT_EQ(steps_called(Executor(graph, {}), graph, "reorder"), 1u) << "of the input; the result of the convolution is read as it lies";
  expect_same_as_interpreter(graph);
}

TEST(MovementPatterns, AResizedOutputIsMadeRowMajor) {
  GraphBuilder b(17);
  const auto y = b.node("Conv", {b.input("x", {1, 16, 9, 7}), b.random("w", {21, 16, 1, 1}, -0.2f, 0.2f)}, "y");
  b.output(b.node("Resize", {y, ir::kNoValue, ir::kNoValue, b.constant("sizes", ints({1, 21, 33, 29}))}, "z",
                  {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("align_corners")}}));
  expect_same_as_interpreter(b.build().graph);
}

}  // namespace
}  // namespace qtool::exec::testing
