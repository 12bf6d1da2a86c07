// Recurrent nodes written step by step, against the operators themselves.
#include "qtool/passes/unroll_recurrent.h"

#include <gmock/gmock.h>

#include <functional>

#include "pass_fixture.h"
#include "qtool/model/target_profile.h"
#include "qtool/ops/recurrent.h"
#include "qtool/passes/plan_quantization.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Strings = std::vector<std::string>;

enum class States { kNone, kZero, kConstant, kInput };

struct Case {
  std::string op = "LSTM", direction = "forward";
  int64_t steps = 5, batch = 1;
  bool bias = true;
  States states = States::kNone;
  Attributes attributes = {};
  Strings outputs = {"y", "y_h", "y_c"};
};

constexpr int64_t kInputs = 4, kHidden = 3;

std::string text(const Case& c) {
  std::string line = c.op + " " + c.direction + " steps " + std::to_string(c.steps) + " batch " + std::to_string(c.batch) + " states " +
                     std::to_string(static_cast<int>(c.states));
  for (const auto& [key, value] : c.attributes) line += " " + key;
  return line;
}

int64_t gates_of(const Case& c) { return c.op == "RNN" ? 1 : c.op == "GRU" ? 3 : 4; }

ir::ValueId state(GraphBuilder& b, const Case& c, const std::string& name, const Shape& shape) {
  if (c.states == States::kInput) return b.input(name, shape);
  if (c.states == States::kZero) return b.constant(name, Tensor(DType::kFloat32, shape));
  return b.random(name, shape, -1.0f, 1.0f);
}

// The node is called "y.node" ("y_h.node" where only the states are read).
GraphBuilder network(const Case& c) {
  GraphBuilder b(14);
  const bool batch_first = c.attributes.contains("layout");
  const int64_t directions = c.direction == "bidirectional" ? 2 : 1, units = gates_of(c) * kHidden;
  const Shape of_state = batch_first ? Shape{c.batch, directions, kHidden} : Shape{directions, c.batch, kHidden};
  std::vector<ir::ValueId> inputs{b.input("x", batch_first ? Shape{c.batch, c.steps, kInputs} : Shape{c.steps, c.batch, kInputs}),
                                  b.random("w", {directions, units, kInputs}, -0.5f, 0.5f), b.random("r", {directions, units, kHidden}, -0.5f, 0.5f)};
  inputs.push_back(c.bias ? b.random("bias", {directions, 2 * units}) : ir::kNoValue);
  if (c.states != States::kNone) {
    inputs.push_back(ir::kNoValue);
    inputs.push_back(state(b, c, "h0", of_state));
    if (c.op == "LSTM") inputs.push_back(state(b, c, "c0", of_state));
  }
  Attributes attributes = c.attributes;
  attributes["direction"] = c.direction;
  attributes["hidden_size"] = kHidden;
  Strings outputs = c.outputs;
  if (c.op != "LSTM") outputs.resize(std::min<size_t>(outputs.size(), 2));
  for (const ir::ValueId id : b.nodes(c.op, inputs, outputs, attributes)) b.output(id);
  return b;
}

model::ModelState unrolled(const Case& c) {
  SCOPED_TRACE(text(c));
  model::ModelState state = network(c).build();
  const ir::Graph before = state.graph;
  const UnrollOutcome outcome = unroll_recurrent(state);
  EXPECT_THAT(outcome.left, SizeIs(0));
  EXPECT_THAT(outcome.nodes, SizeIs(1));
  if (!outcome.nodes.empty()) {
    EXPECT_EQ(outcome.nodes[0].steps, c.steps);
    EXPECT_EQ(outcome.nodes[0].operators, static_cast<int64_t>(state.graph.node_ids().size()));
  }
  for (const ir::NodeId id : state.graph.node_ids()) EXPECT_FALSE(ops::is_recurrent(state.graph.node(id)));
  expect_sound(before, state.graph);
  expect_same_outputs(before, state.graph);
  return state;
}

TEST(UnrollRecurrent, EveryCellInEveryDirectionWithEveryState) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      for (const States states : {States::kNone, States::kZero, States::kConstant, States::kInput}) {
        (void)unrolled({.op = op, .direction = direction, .states = states});
        (void)unrolled({.op = op, .direction = direction, .batch = 3, .states = states, .attributes = {{"layout", int64_t{1}}}});
      }
      (void)unrolled({.op = op, .direction = direction, .steps = 1});
      (void)unrolled({.op = op, .direction = direction, .steps = 40, .batch = 2});
    }
    (void)unrolled({.op = op, .bias = false});
    (void)unrolled({.op = op, .states = States::kConstant, .attributes = {{"clip", 0.3f}}});
  }
}

TEST(UnrollRecurrent, OptionsOfTheCells) {
  for (const States states : {States::kNone, States::kConstant}) {
    for (const char* direction : {"forward", "bidirectional"}) {
      (void)unrolled({.op = "GRU", .direction = direction, .batch = 2, .states = states, .attributes = {{"linear_before_reset", int64_t{1}}}});
      (void)unrolled({.op = "LSTM", .direction = direction, .states = states, .attributes = {{"input_forget", int64_t{1}}}});
    }
    (void)unrolled({.op = "GRU", .bias = false, .states = states, .attributes = {{"linear_before_reset", int64_t{1}}}});
    (void)unrolled({.op = "GRU", .states = states, .attributes = {{"linear_before_reset", int64_t{1}}, {"clip", 0.2f}}});
  }
}

TEST(UnrollRecurrent, EveryActivation) {
  for (const char* name : {"Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", "LeakyRelu", "ThresholdedRelu", "Elu", "Affine", "ScaledTanh", "HardSigmoid"}) {
    (void)unrolled({.op = "RNN", .attributes = {{"activations", Strings{name}}}});
    (void)unrolled({.op = "RNN", .attributes = {{"activations", Strings{name}}, {"activation_alpha", std::vector<float>{0.3f}},
                                                {"activation_beta", std::vector<float>{0.2f}}}});
  }
  (void)unrolled({.op = "LSTM", .direction = "bidirectional",
                  .attributes = {{"activations", Strings{"HardSigmoid", "ScaledTanh", "Elu", "Sigmoid", "Tanh", "Softsign"}},
                                 {"activation_alpha", std::vector<float>{0.3f, 1.5f, 0.7f}}, {"activation_beta", std::vector<float>{0.4f, 0.8f}}}});
}

TEST(UnrollRecurrent, WritesOnlyWhatIsRead) {
  model::ModelState state = unrolled({.op = "LSTM", .outputs = {"y"}});
  EXPECT_EQ(state.graph.find_value("y.node/last_cell"), ir::kNoValue);
  GraphBuilder b = network({.op = "GRU"});
  b.graph().outputs = {b.graph().find_value("y_h")};
  state = b.build();
  (void)unroll_recurrent(state);
  EXPECT_THAT(op_types(state.graph), ::testing::Not(::testing::Contains("Concat")));
}

TEST(UnrollRecurrent, NamesComeFromTheNode) {
  const model::ModelState one = unrolled({.op = "LSTM"}), two = unrolled({.op = "GRU", .direction = "bidirectional"});
  for (const char* name : {"y.node/step0/hidden", "y.node/step4/hidden", "y.node/step4/forget_gate", "y.node/step2/cell"}) {
    EXPECT_NE(one.graph.find_value(name), ir::kNoValue) << name;
    EXPECT_TRUE(is_step_tensor(name, "y.node"));
  }
  for (const char* name : {"y.node/forward/step1/update_gate", "y.node/reverse/step0/hidden"}) {
    EXPECT_NE(two.graph.find_value(name), ir::kNoValue) << name;
    EXPECT_TRUE(is_step_tensor(name, "y.node"));
  }
  for (const char* name : {"y.node/stepwise", "y.node", "y.nodes/step1", "y.node/W"}) EXPECT_FALSE(is_step_tensor(name, "y.node")) << name;
}

TEST(UnrollRecurrent, AllStepsReadTheSameWeights) {
  const model::ModelState state = unrolled({.op = "LSTM", .steps = 12});
  EXPECT_THAT(state.graph.value(state.graph.find_value("y.node/R")).uses, SizeIs(11));  // none for the first: its state is zero
}

TEST(UnrollRecurrent, HiddenStatesShareOneGrid) {
  model::ModelState state = network({.op = "LSTM"}).build();
  const UnrollOutcome outcome = unroll_recurrent(state);
  PlanOptions options;
  options.shared_grids = outcome.shared_grids;
  const model::TargetProfile profile{.name = "test"};
  (void)plan_quantization(state, profile, ops::builtin_registry(), options);
  const auto leader = [&](const std::string& name) { return state.plan.tensors.at(state.graph.find_value(name)).leader; };
  const ir::ValueId all = state.graph.find_value("y.node/sequence");  // calibration sees every step in it
  for (const char* name : {"y.node/step0/hidden", "y.node/step4/hidden", "y.node/sequence"}) EXPECT_EQ(leader(name), all) << name;
  EXPECT_NE(leader("y.node/step1/cell"), leader("y.node/step2/cell"));
}

// Why the node stays; it does stay, unchanged.
std::string reason(GraphBuilder& b) {
  model::ModelState state = b.build();
  const std::string before = state.graph.to_text();
  const UnrollOutcome outcome = unroll_recurrent(state);
  EXPECT_THAT(outcome.nodes, SizeIs(0));
  EXPECT_EQ(before, state.graph.to_text());
  return outcome.left.empty() ? "" : outcome.left[0];
}

TEST(UnrollRecurrent, NodesWithAnObstacleStayWithTheReason) {
  const auto with_input = [](size_t slot, const std::function<ir::ValueId(GraphBuilder&)>& make) {
    const Case lstm;
    GraphBuilder b = network(lstm);
    b.graph().set_input(b.graph().node_ids().at(0), slot, make(b));
    return reason(b);
  };
  EXPECT_THAT(with_input(ops::kPeepholes, [](GraphBuilder& b) { return b.random("p", {1, 3 * kHidden}); }), HasSubstr("peepholes"));
  EXPECT_THAT(with_input(ops::kSequenceLengths, [](GraphBuilder& b) { return b.constant("n", Tensor::from<int32_t>({1}, {3})); }),
              HasSubstr("LSTM 'y.node': a sequence of 3 of its 5 steps"));
  EXPECT_THAT(with_input(ops::kSequenceLengths, [](GraphBuilder& b) { return b.input("n", {1}, DType::kInt32); }), HasSubstr("computed at run time"));
  EXPECT_THAT(with_input(ops::kRecurrentWeights, [](GraphBuilder& b) { return b.input("r2", {1, 4 * kHidden, kHidden}); }), HasSubstr("parameters R"));
}

TEST(UnrollRecurrent, HarmlessOptionalInputsAreNoObstacle) {
  GraphBuilder b = network({.op = "LSTM"});
  const ir::ValueId lengths = b.constant("n", Tensor::from<int32_t>({1}, {5})), peepholes = b.constant("p", Tensor(DType::kFloat32, Shape{1, 3 * kHidden}));
  const ir::NodeId node = b.graph().node_ids().at(0);
  b.graph().set_input(node, ops::kSequenceLengths, lengths);
  b.graph().set_input(node, ops::kPeepholes, peepholes);
  model::ModelState state = b.build();
  const ir::Graph before = state.graph;
  EXPECT_THAT(unroll_recurrent(state).nodes, SizeIs(1));
  expect_same_outputs(before, state.graph);
}

}  // namespace
}  // namespace qtool::passes::testing
