// Simulation: views and joins on another grid than their parts.
#include "random_simulation.h"

namespace qtool::exec::testing {
namespace {

struct ViewCase {
  std::string name;
  std::function<std::vector<ir::ValueId>(GraphBuilder&, ir::ValueId)> make;
};

const ViewCase kViews[] = {
    {"Reshape", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Reshape", {x, b.constant("s", ints({1, 256}))}, "r")};
     }},
    {"Identity", [](GraphBuilder& b, ir::ValueId x) { return std::vector{b.node("Identity", {x}, "r")}; }},
    {"UnitTranspose", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Transpose", {x}, "r", {{"perm", Ints{1, 0, 2, 3}}})};
     }},
    {"Split", [](GraphBuilder& b, ir::ValueId x) {
       return b.nodes("Split", {x, b.constant("s", ints({16, 16}))}, {"r", "q"}, {{"axis", int64_t{1}}});
     }},
    {"Slice", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Slice", {x, b.constant("f", ints({16})), b.constant("t", ints({32})), b.constant("a", ints({1}))}, "r")};
     }},
};

class ViewsOnAnotherGrid : public ::testing::TestWithParam<ViewCase> {};

// x, also behind a convolution that leaves it in channel blocks, is read again after its view went to a coarser grid.
TEST_P(ViewsOnAnotherGrid, DoNotDisturbTheirInput) {
  for (const bool behind_conv : {false, true}) {
    for (const bool input_on_grid : {false, true}) {
      GraphBuilder b;
      const auto in = b.input("in", {1, 32, 2, 4});
      const auto x = behind_conv ? conv(b, in, 32, 32, "x") : in;
      const auto views = GetParam().make(b, x);
      for (const auto view : views) b.output(view);
      b.output(b.node("Neg", {x}, "again"));
      const ir::Graph graph = b.build().graph;
      EncodingTable table;
      if (input_on_grid) table[x] = {.encoding = grid(-2, 2)};
      table[views[0]] = {.encoding = grid(-1, 1, 3)};
      if (views.size() > 1) table[views[1]] = {.encoding = grid(-1, 2, 4)};
      const auto inputs = random_inputs(graph, 9);
      const Tensor untouched = inputs[0].clone();
      const Executor executor(graph, {.observed = {x}, .encodings = &table});
      Session session = executor.new_session();
      const Observation seen = run_observed(session, inputs);
      EXPECT_TRUE(untouched.identical(inputs[0])) << "the caller's tensor changed";
      const Tensor& source = seen.taps.at(x);
      if (input_on_grid) expect_identical(on_grid(source, table[x].encoding), source, "x");
      for (size_t i = 0; i < views.size(); ++i) {
        const ir::Node& node = graph.node(graph.producer(views[i]));
        std::vector<const Tensor*> operands = {&source};
        for (size_t k = 1; k < node.inputs.size(); ++k) operands.push_back(graph.constant(node.inputs[k]));
        const auto moved = ops::evaluate_node(ops::builtin_registry().at(node), ops::EvalContext(node, operands));
        expect_identical(on_grid(moved[i], table[views[i]].encoding), seen.outputs[i], graph.value(views[i]).name);
      }
      Tensor negated = source.clone();
      for (float& value : negated.mutable_data<float>()) value = -value;
      expect_identical(negated, seen.outputs.back(), "again");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ViewsOnAnotherGrid, ::testing::ValuesIn(kViews), [](const auto& info) { return info.param.name; });

TEST(Simulation, ViewOfAConstantOnAnotherGridLeavesTheConstantAlone) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16});
  const auto c = b.random("c", {4, 4});
  const auto r = b.node("Reshape", {c, b.constant("s", ints({1, 16}))}, "r");
  b.output(b.node("Add", {x, r}, "sum"));
  b.output(b.node("Neg", {c}, "negated"));
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[r] = {.encoding = grid(-1, 1, 3)};
  const auto inputs = random_inputs(graph, 2);
  Session session = Executor(graph, {.encodings = &table}).new_session();
  const Tensor original = graph.constant(c)->clone();
  for (int round = 0; round < 2; ++round) {
    const auto outputs = session.run(inputs);
    for (size_t i = 0; i < 16; ++i) ASSERT_EQ(-original.data<float>()[i], outputs[1].data<float>()[i]);
  }
  EXPECT_TRUE(original.identical(*graph.constant(c)));
}

TEST(Simulation, ConcatOnAnotherGridThanItsPartsLeavesThePartsAlone) {
  GraphBuilder b;
  const auto in = b.input("in", {1, 16, 4, 4});
  const auto left = conv(b, in, 16, 16, "left"), right = conv(b, in, 16, 16, "right");
  const auto joined = b.node("Concat", {left, right}, "joined", {{"axis", int64_t{1}}});
  b.output(joined);
  b.output(b.node("Neg", {left}, "left_again"));
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[left] = {.encoding = grid(-2, 2)};
  table[right] = {.encoding = grid(-3, 3)};
  table[joined] = {.encoding = grid(-1, 3, 4)};
  Session session = Executor(graph, {.encodings = &table}).new_session();
  const Observation seen = [&] {
    Observation o;
    o.outputs = session.run(random_inputs(graph, 4), [&](ir::ValueId id, const PhysicalView& view) { o.taps[id] = to_tensor(view); });
    return o;
  }();
  // Nothing was observed; the parts are seen through a second executor of the same graph.
  EXPECT_TRUE(seen.taps.empty());
  Session watching = Executor(graph, {.observed = {left, right, joined}, .encodings = &table}).new_session();
  const Observation taps = run_observed(watching, random_inputs(graph, 4));
  expect_identical(taps.outputs[0], seen.outputs[0], "joined");
  Tensor both(DType::kFloat32, {1, 32, 4, 4});
  std::copy_n(taps.taps.at(left).data<float>().begin(), 256, both.mutable_data<float>().begin());
  std::copy_n(taps.taps.at(right).data<float>().begin(), 256, both.mutable_data<float>().begin() + 256);
  expect_identical(on_grid(both, table[joined].encoding), taps.outputs[0], "joined");
  for (size_t i = 0; i < 256; ++i) ASSERT_EQ(-taps.taps.at(left).data<float>()[i], taps.outputs[1].data<float>()[i]);
}

}  // namespace
}  // namespace qtool::exec::testing
