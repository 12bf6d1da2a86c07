#include "qtool/ops/interpreter.h"

#include <gmock/gmock.h>

#include "qtool/ir/subgraph.h"
#include "qtool/support/error.h"

namespace qtool::ops {
namespace {

using ir::Graph;
using ir::ValueId;
using testing::ElementsAre;

// A table of one operator, so that these tests do not depend on the others.
Registry registry_with_sum() {
  Registry registry;
  registry.add({.type = "Sum2",
                .infer = [](const InferContext& context) -> InferredTypes { return {context.type(0)}; },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  return {Tensor::scalar(context.input(0).to_float()[0] + context.input(1).to_float()[0])};
                }});
  return registry;
}

// result = inner + captured "bias"
std::shared_ptr<Graph> branch(const std::string& other) {
  auto graph = std::make_shared<Graph>();
  const ValueId bias = graph->add_value("bias"), b = graph->add_constant("k", Tensor::scalar(std::stof(other)));
  const ValueId out = graph->add_value("out");
  graph->outputs = {out};
  graph->add_node({.op_type = "Sum2", .inputs = {bias, b}, .outputs = {out}});
  return graph;
}

TEST(Interpreter, IfRunsTheBranchWithCapturedTensors) {
  Graph graph;
  const ValueId condition = graph.add_value("c"), bias = graph.add_value("renamed"), y = graph.add_value("y");
  graph.inputs = {condition, bias};
  graph.outputs = {y};
  graph.add_node({.op_type = "If",
                  .opset = 17,
                  .inputs = {condition, bias},
                  .outputs = {y},
                  .attributes = {{"then_branch", branch("1")},
                                 {"else_branch", branch("2")},
                                 {std::string(ir::kCapturesAttribute), std::vector<std::string>{"bias"}}}});
  const Registry registry = registry_with_sum();
  for (const bool taken : {true, false}) {
    const std::vector<Tensor> inputs{Tensor::scalar(taken), Tensor::scalar(10.0f)};
    EXPECT_THAT(interpret(graph, registry, inputs)[0].to_float(), ElementsAre(taken ? 11 : 12));
  }
}

TEST(Interpreter, LoopCarriesAndStacks) {
  auto body = std::make_shared<Graph>();
  const ValueId step = body->add_value("i"), go_on = body->add_value("go_on"), sum = body->add_value("sum");
  const ValueId one = body->add_constant("one", Tensor::scalar(1.0f)), next = body->add_value("next");
  body->inputs = {step, go_on, sum};
  body->outputs = {go_on, next, next};
  body->add_node({.op_type = "Sum2", .inputs = {sum, one}, .outputs = {next}});

  Graph graph;
  const ValueId trips = graph.add_constant("trips", Tensor::scalar<int64_t>(3)), start = graph.add_value("start");
  const ValueId last = graph.add_value("last"), all = graph.add_value("all");
  graph.inputs = {start};
  graph.outputs = {last, all};
  graph.add_node({.op_type = "Loop", .opset = 17, .inputs = {trips, ir::kNoValue, start}, .outputs = {last, all}, .attributes = {{"body", body}}});
  const auto outputs = interpret(graph, registry_with_sum(), std::vector<Tensor>{Tensor::scalar(5.0f)});
  EXPECT_THAT(outputs[0].to_float(), ElementsAre(8));
  EXPECT_THAT(outputs[1].to_float(), ElementsAre(6, 7, 8));
  EXPECT_EQ(outputs[1].shape(), (Shape{3}));
}

TEST(Interpreter, UnknownOperatorIsNamed) {
  Graph graph;
  const ValueId x = graph.add_value("x"), y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.name = "strange", .op_type = "Foo", .inputs = {x}, .outputs = {y}});
  try {
    (void)interpret(graph, registry_with_sum(), std::vector<Tensor>{Tensor::scalar(1.0f)});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr("strange"));
  }
}

TEST(Interpreter, WrongInputCountIsAnError) {
  Graph graph;
  graph.inputs = {graph.add_value("x")};
  graph.outputs = graph.inputs;
  EXPECT_THROW((void)interpret(graph, registry_with_sum(), {}), Error);
}

}  // namespace
}  // namespace qtool::ops
