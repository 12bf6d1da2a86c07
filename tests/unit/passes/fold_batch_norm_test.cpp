#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

constexpr const char* kPass = "fold_batch_norm";

TEST(FoldBatchNorm, ConvolutionTakesItOverAndKeepsItsOutputName) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 6, 6});
  const auto conv = b.node("Conv", {x, b.random("w", {4, 3, 3, 3}), b.random("bias", {4})}, "conv");
  b.output(b.node("Relu", {b.batch_norm(conv, 4, "bn")}, "y"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_EQ(found.changes, 1);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv", "Relu"));
  EXPECT_EQ(found.producer("bn").name, "conv.node");
  EXPECT_EQ(found.graph().value(found.producer("bn").inputs[1]).name, "w");
  EXPECT_EQ(found.graph().find_value("conv"), ir::kNoValue);
}

TEST(FoldBatchNorm, StatisticsAreKeptUnderTheNewOutput) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 2, 1, 1})}, "conv");
  b.output(b.batch_norm(conv, 3, "bn"));
  const Outcome found = run_pass(b, kPass);
  const auto& statistics = found.state.folded_batch_norms.at(found.graph().find_value("bn"));
  const auto gamma = b.graph().constant(b.graph().find_value("bn.gamma"))->data<float>();
  const auto beta = b.graph().constant(b.graph().find_value("bn.beta"))->data<float>();
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(statistics.mean[c], beta[c]);
    EXPECT_NEAR(statistics.deviation[c], std::abs(gamma[c]), 1e-4);
  }
}

TEST(FoldBatchNorm, AChannelThatHasDecayedHasNoDeviation) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 2, 1, 1})}, "conv");
  const auto parameter = [&](const std::string& name, std::vector<float> values) { return b.constant(name, Tensor::from<float>({3}, values)); };
  b.output(b.node("BatchNormalization", {conv, parameter("gamma", {2.0f, -2.0f, 2.0f}), parameter("beta", {0.0f, 0.0f, 0.0f}),
                                         parameter("mean", {0.0f, 0.0f, 0.0f}), parameter("var", {1e-15f, 1e-3f, 0.0f})},
                  "bn", {{"epsilon", 1e-3f}}));
  const auto deviation = run_pass(b, kPass).state.folded_batch_norms.begin()->second.deviation;
  EXPECT_LT(deviation[0], 1e-5);
  EXPECT_NEAR(deviation[1], std::sqrt(2.0), 1e-5);
  EXPECT_EQ(deviation[2], 0.0f);
}

TEST(FoldBatchNorm, MissingBiasIsNamedAfterTheNode) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  b.output(b.batch_norm(b.node("Conv", {x, b.random("w", {3, 2, 1, 1})}, "conv"), 3, "bn"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_EQ(found.graph().value(found.producer("bn").inputs[2]).name, "conv.node.bias");
}

TEST(FoldBatchNorm, TransposedConvolutionsOfEveryGrouping) {
  for (const int64_t group : {1, 2, 4}) {
    GraphBuilder b;
    const auto x = b.input("x", {1, 4, 5, 5});
    const int64_t outputs = 8;
    const auto conv = b.node("ConvTranspose", {x, b.random("w", {4, outputs / group, 3, 3})}, "conv",
                             {{"group", group}, {"strides", Ints{2, 2}}});
    b.output(b.batch_norm(conv, outputs, "bn"));
    EXPECT_EQ(run_pass(b, kPass).changes, 1) << group;
  }
}

TEST(FoldBatchNorm, DepthwiseConvolution) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 5, 5});
  b.output(b.batch_norm(b.node("Conv", {x, b.random("w", {4, 1, 3, 3})}, "conv", {{"group", int64_t{4}}}), 4, "bn"));
  EXPECT_EQ(run_pass(b, kPass).changes, 1);
}

TEST(FoldBatchNorm, GemmWithAlphaBetaAndEitherWeightOrder) {
  for (const int64_t transposed : {0, 1}) {
    GraphBuilder b;
    const auto x = b.input("x", {3, 5});
    const Shape weight = transposed ? Shape{4, 5} : Shape{5, 4};
    const auto gemm = b.node("Gemm", {x, b.random("w", weight), b.random("c", {1, 4})}, "gemm",
                             {{"transB", transposed}, {"alpha", 0.5f}, {"beta", 2.0f}});
    b.output(b.batch_norm(gemm, 4, "bn"));
    EXPECT_EQ(run_pass(b, kPass).changes, 1);
  }
}

TEST(FoldBatchNorm, MatrixProductBecomesGemm) {
  GraphBuilder b;
  const auto x = b.input("x", {3, 5});
  b.output(b.batch_norm(b.node("MatMul", {x, b.random("w", {5, 4})}, "product"), 4, "bn"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Gemm"));
}

TEST(FoldBatchNorm, SharedWeightsAreCloned) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 5, 5});
  const auto w = b.random("w", {3, 3, 1, 1});
  b.output(b.batch_norm(b.node("Conv", {x, w}, "a"), 3, "bn_a"));
  b.output(b.batch_norm(b.node("Conv", {x, w}, "b"), 3, "bn_b"));
  b.output(b.node("Conv", {x, w}, "plain"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_EQ(found.changes, 2);
  EXPECT_EQ(found.graph().value(found.producer("plain").inputs[1]).name, "w");
}

TEST(FoldBatchNorm, TwoInARow) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 5, 5});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 3, 1, 1})}, "conv");
  b.output(b.batch_norm(b.batch_norm(conv, 3, "bn1"), 3, "bn2"));
  const Outcome found = run_pass(b, kPass);
  EXPECT_EQ(found.changes, 2);
  EXPECT_EQ(found.state.folded_batch_norms.size(), 1u);
}

TEST(FoldBatchNorm, LeftAloneWhereTheConvolutionHasAnotherReader) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 5, 5});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 3, 1, 1})}, "conv");
  b.output(b.node("Add", {b.batch_norm(conv, 3, "bn"), conv}, "y"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(FoldBatchNorm, LeftAloneWhereTheConvolutionIsAGraphOutput) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 5, 5});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 3, 1, 1})}, "conv");
  b.output(conv);
  b.output(b.batch_norm(conv, 3, "bn"));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(FoldBatchNorm, LeftAloneInTraining) {
  GraphBuilder b(14);
  const auto x = b.input("x", {1, 3, 5, 5});
  const auto conv = b.node("Conv", {x, b.random("w", {3, 3, 1, 1})}, "conv");
  b.output(b.batch_norm(conv, 3, "bn", {{"training_mode", int64_t{1}}}));
  EXPECT_EQ(run_pass(b, kPass).changes, 0);
}

TEST(FoldBatchNorm, LeftAloneWhereTheResultIsNotANumber) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 2, 2});
  const auto conv = b.node("Conv", {x, b.random("w", {1, 1, 1, 1})}, "conv");
  const auto negative = b.constant("v", Tensor::from<float>({1}, {-1.0f}));
  b.output(b.node("BatchNormalization", {conv, b.random("g", {1}), b.random("b", {1}), b.random("m", {1}), negative}, "bn"));
  model::ModelState state = b.build();
  SilentReporter silent;
  EXPECT_EQ(builtin_registry().at(kPass).make()->run(state, silent).changes, 0);
}

}  // namespace
}  // namespace qtool::passes::testing
