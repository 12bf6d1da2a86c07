// RNN, GRU and LSTM against the reference operator.
#include "exec_fixture.h"

namespace qtool::exec::testing {
namespace {

struct Case {
  std::string op, direction = "forward";
  int64_t batch = 1;
  bool with_bias = true, with_states = false, with_peepholes = false;
  Attributes attributes = {};
};

constexpr int64_t kSteps = 5, kInputs = 7, kHidden = 19;

// X, W, R and, where asked for, B, initial_h, initial_c, P.
std::vector<ir::ValueId> operands(GraphBuilder& b, const Case& c, int64_t gates, bool batch_first) {
  const int64_t directions = c.direction == "bidirectional" ? 2 : 1, units = gates * kHidden;
  const Shape state = batch_first ? Shape{c.batch, directions, kHidden} : Shape{directions, c.batch, kHidden};
  std::vector<ir::ValueId> inputs{b.input("x", batch_first ? Shape{c.batch, kSteps, kInputs} : Shape{kSteps, c.batch, kInputs}),
                                  b.random("w", {directions, units, kInputs}, -0.5f, 0.5f),
                                  b.random("r", {directions, units, kHidden}, -0.5f, 0.5f)};
  inputs.push_back(c.with_bias ? b.random("bias", {directions, 2 * units}) : ir::kNoValue);
  inputs.push_back(ir::kNoValue);
  if (c.with_states) inputs.push_back(b.random("h0", state, -1.0f, 1.0f));
  if (c.with_states && c.op == "LSTM") inputs.push_back(b.random("c0", state, -1.0f, 1.0f));
  if (c.with_peepholes) {
    inputs.resize(7, ir::kNoValue);
    inputs.push_back(b.random("p", {directions, 3 * kHidden}, -0.5f, 0.5f));
  }
  return inputs;
}

void expect_as_reference(Case c) {
  const int64_t gates = c.op == "RNN" ? 1 : c.op == "GRU" ? 3 : 4;
  const auto layout = c.attributes.find("layout");
  GraphBuilder b(14);
  c.attributes["direction"] = c.direction;
  c.attributes["hidden_size"] = kHidden;
  std::vector<std::string> outputs{"y", "y_h"};
  if (c.op == "LSTM") outputs.push_back("y_c");
  for (const auto id : b.nodes(c.op, operands(b, c, gates, layout != c.attributes.end()), outputs, c.attributes)) b.output(id);
  const ir::Graph graph = b.build().graph;
  const Executor executor(graph, {});
  EXPECT_EQ(executor.summary().reference_steps, 0u) << "no fast kernel";
  const auto inputs = random_inputs(graph, 3);
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  const auto found = executor.new_session().run(inputs);
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < expected.size(); ++i) expect_close(expected[i], found[i], c.op + " " + c.direction + " " + outputs[i]);
}

TEST(Recurrent, EveryCellInEveryDirection) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      expect_as_reference({.op = op, .direction = direction});
      expect_as_reference({.op = op, .direction = direction, .batch = 3, .with_states = true});
    }
    expect_as_reference({.op = op, .with_bias = false});
    expect_as_reference({.op = op, .attributes = {{"clip", 0.3f}}});
    expect_as_reference({.op = op, .with_states = true, .attributes = {{"layout", int64_t{1}}}});
  }
}

TEST(Recurrent, OptionsOfTheCells) {
  using Strings = std::vector<std::string>;
  const std::string both = "bidirectional";
  expect_as_reference({.op = "GRU", .direction = both, .batch = 2, .attributes = {{"linear_before_reset", int64_t{1}}}});
  expect_as_reference({.op = "GRU", .with_bias = false, .attributes = {{"linear_before_reset", int64_t{1}}}});
  expect_as_reference({.op = "LSTM", .direction = both, .batch = 2, .with_states = true, .with_peepholes = true});
  expect_as_reference({.op = "LSTM", .with_peepholes = true, .attributes = {{"input_forget", int64_t{1}}}});
  expect_as_reference({.op = "RNN", .direction = both, .attributes = {{"activations", Strings{"Relu", "Softsign"}}}});
  expect_as_reference({.op = "LSTM", .attributes = {{"activations", Strings{"HardSigmoid", "ScaledTanh", "Elu"}},
                                                    {"activation_alpha", std::vector<float>{0.3f, 1.5f, 0.7f}},
                                                    {"activation_beta", std::vector<float>{0.4f, 0.8f}}}});
}

}  // namespace
}  // namespace qtool::exec::testing
