#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

constexpr const char* kPass = "remove_identity";

TEST(RemoveIdentity, ChainsDisappear) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  b.output(b.node("Relu", {b.node("Identity", {b.node("Identity", {x}, "a")}, "b")}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 2);
}

TEST(RemoveIdentity, ProducerTakesTheNameOfAGraphOutput) {
  GraphBuilder b;
  const auto relu = b.node("Relu", {b.input("x", {2, 3})}, "relu");
  b.output(b.node("Identity", {relu}, "y"));
  b.output(b.node("Neg", {relu}, "z"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Relu", "Neg"));
  EXPECT_EQ(found.producer("y").op_type, "Relu");
}

TEST(RemoveIdentity, StaysBetweenGraphInputAndOutput) {
  GraphBuilder b;
  b.output(b.node("Identity", {b.input("x", {2, 3})}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(RemoveIdentity, StaysWhereTheSourceIsAnOutputUnderItsOwnName) {
  GraphBuilder b;
  const auto relu = b.node("Relu", {b.input("x", {2, 3})}, "relu");
  b.output(relu);
  b.output(b.node("Identity", {relu}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(RemoveIdentity, DropoutInInference) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  const auto training = b.constant("training", Tensor::scalar(false));
  b.output(b.node("Relu", {b.node("Dropout", {x, b.scalar(0.5f), training}, "d")}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 1);
}

TEST(RemoveIdentity, EveryNodeThatKeepsTypeAndOrder) {
  struct Case { std::string op; std::vector<Tensor> constants; Attributes attributes; };
  const std::vector<Case> cases{
      {"Reshape", {ints({1, 2, -1})}, {}},
      {"Expand", {ints({1, 2, 1})}, {}},
      {"Tile", {ints({1, 1, 1})}, {}},
      {"Cast", {}, {{"to", int64_t{1}}}},
      {"Transpose", {}, {{"perm", Ints{0, 1, 2}}}},
      {"Slice", {ints({0}), ints({100}), ints({1})}, {}},
      {"Pad", {ints({0, 0, 0, 0, 0, 0})}, {}},
      {"Concat", {}, {{"axis", int64_t{1}}}},
      {"Max", {}, {}},
      {"Mul", {Tensor::scalar(1.0f)}, {}},
      {"Sub", {Tensor::scalar(0.0f)}, {}},
  };
  for (const Case& test : cases) {
    GraphBuilder b;
    std::vector<ir::ValueId> inputs{b.input("x", {1, 2, 3})};
    for (const Tensor& tensor : test.constants) inputs.push_back(b.constant(b.graph().unique_name("c"), tensor));
    b.output(b.node("Relu", {b.node(test.op, inputs, "same", test.attributes)}, "y"));
    EXPECT_EQ(run_pass(b, kPass).changes, 1) << test.op;
  }
}

TEST(RemoveIdentity, NodesOfTheSameShapeThatMoveElementsStay) {
  struct Case { std::string op; std::vector<Tensor> constants; Attributes attributes; };
  const std::vector<Case> cases{
      {"Transpose", {}, {{"perm", Ints{1, 0, 2}}}},
      {"Slice", {ints({-1}), ints({-100}), ints({0}), ints({-1})}, {}},
      {"Pad", {ints({1, 0, 0, -1, 0, 0})}, {}},
      {"Mul", {Tensor::scalar(2.0f)}, {}},
      {"Div", {Tensor::scalar(0.5f)}, {}},
  };
  for (const Case& test : cases) {
    GraphBuilder b;
    std::vector<ir::ValueId> inputs{b.input("x", {3, 3, 2})};
    for (const Tensor& tensor : test.constants) inputs.push_back(b.constant(b.graph().unique_name("c"), tensor));
    b.output(b.node("Relu", {b.node(test.op, inputs, "moved", test.attributes)}, "y"));
    EXPECT_EQ(run_pass(b, kPass).changes, 0) << test.op;
  }
}

}  // namespace
}  // namespace qtool::passes::testing
