#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

constexpr const char* kPass = "fuse_channel_affine";

TEST(FuseChannelAffine, AddedConstantBecomesTheBiasUnderItsOwnName) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 3, 4, 4}), b.random("w", {5, 3, 1, 1})}, "conv");
  b.output(b.node("Add", {b.random("offset", {1, 5, 1, 1}), conv}, "y"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv"));
  const ir::ValueId bias = found.producer("y").inputs[2];
  EXPECT_EQ(found.graph().value(bias).name, "offset");
  EXPECT_EQ(found.graph().type_of(bias).shape, (Shape{5}));
  // No multiplication has touched the weight.
  EXPECT_TRUE(found.graph().constant(found.producer("y").inputs[1])->identical(*b.graph().constant(b.graph().find_value("w"))));
}

TEST(FuseChannelAffine, EveryOperatorOnLayersWithAndWithoutBias) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    for (const bool with_bias : {false, true}) {
      GraphBuilder b;
      std::vector<ir::ValueId> inputs{b.input("x", {1, 3, 4, 4}), b.random("w", {5, 3, 3, 3})};
      if (with_bias) inputs.push_back(b.random("bias", {5}));
      const auto conv = b.node("Conv", inputs, "conv");
      b.output(b.node(op, {conv, b.random("c", {5, 1, 1}, 0.5f, 2.0f)}, "y"));
      const Outcome found = run_pass(b, kPass);
      EXPECT_EQ(found.changes, 1) << op;
      EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv"));
    }
  }
}

TEST(FuseChannelAffine, ScaleAloneAddsNoBias) {
  GraphBuilder b;
  const auto product = b.node("MatMul", {b.input("x", {2, 3}), b.random("w", {3, 4})}, "product");
  b.output(b.node("Mul", {product, b.random("c", {4})}, "y"));
  EXPECT_THAT(op_types(run_pass(b, kPass).graph()), ElementsAre("MatMul"));
}

TEST(FuseChannelAffine, MatrixProductPlusConstantBecomesGemm) {
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{}}) {
    GraphBuilder b;
    const auto product = b.node("MatMul", {b.input("x", {2, 3}), b.random("w", {3, 4})}, "product");
    b.output(b.node("Add", {product, b.random("c", shape)}, "y"));
    EXPECT_THAT(op_types(run_pass(b, kPass).graph()), ElementsAre("Gemm")) << shape.text();
  }
}

TEST(FuseChannelAffine, ProductsWithMoreAxesStay) {
  GraphBuilder b;
  const auto product = b.node("MatMul", {b.input("x", {1, 2, 3}), b.random("w", {3, 4})}, "product");
  b.output(b.node("Add", {product, b.random("c", {4})}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(FuseChannelAffine, ConstantsThatVaryOverSpaceOrBroadenTheResultStay) {
  for (const Shape& shape : {Shape{5, 4, 4}, Shape{4}, Shape{2, 5, 1, 1}}) {
    GraphBuilder b;
    const auto conv = b.node("Conv", {b.input("x", {1, 3, 4, 4}), b.random("w", {5, 3, 1, 1})}, "conv");
    b.output(b.node("Add", {conv, b.random("c", shape)}, "y"));
    EXPECT_EQ(run_pass(b, kPass).changes, 0) << shape.text();
  }
}

TEST(FuseChannelAffine, ConstantMinusLayerStays) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 3, 4, 4}), b.random("w", {5, 3, 1, 1})}, "conv");
  b.output(b.node("Sub", {b.random("c", {5, 1, 1}), conv}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(FuseChannelAffine, DivisionByZeroStays) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 1, 2, 2}), b.random("w", {1, 1, 1, 1})}, "conv");
  b.output(b.node("Div", {conv, b.scalar(0.0f)}, "y"));
  model::ModelState state = b.build();
  SilentReporter silent;
  EXPECT_EQ(builtin_registry().at(kPass).make()->run(state, silent).changes, 0);
}

TEST(FuseChannelAffine, FoldedStatisticsFollow) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 3, 4, 4}), b.random("w", {2, 3, 1, 1})}, "conv");
  const auto scaled = b.node("Mul", {b.batch_norm(conv, 2, "bn"), b.scalar(-2.0f)}, "scaled");
  b.output(b.node("Add", {scaled, b.scalar(1.0f)}, "y"));
  const Outcome found = clean(b);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv"));
  const auto& statistics = found.state.folded_batch_norms.at(found.graph().find_value("y"));
  const auto gamma = b.graph().constant(b.graph().find_value("bn.gamma"))->data<float>();
  const auto beta = b.graph().constant(b.graph().find_value("bn.beta"))->data<float>();
  for (size_t c = 0; c < 2; ++c) {
    EXPECT_FLOAT_EQ(statistics.mean[c], -2.0f * beta[c] + 1.0f);
    EXPECT_NEAR(statistics.deviation[c], 2.0f * std::abs(gamma[c]), 1e-4);  // but for epsilon
  }
  EXPECT_EQ(found.state.folded_batch_norms.size(), 1u);
}

}  // namespace
}  // namespace qtool::passes::testing
