// Batch normalization that the layer before cannot take.
#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

TEST(FoldBatchNormForward, ConvolutionWithoutPadding) {
  for (const bool with_bias : {false, true}) {
    GraphBuilder b;
    std::vector<ir::ValueId> inputs{b.batch_norm(b.input("x", {1, 3, 5, 5}), 3, "bn"), b.random("w", {4, 3, 3, 3})};
    if (with_bias) inputs.push_back(b.random("bias", {4}));
    b.output(b.node("Conv", inputs, "y"));
    EXPECT_THAT(op_types(run_pass(b, "fold_batch_norm_forward").graph()), ElementsAre("Conv"));
  }
}

TEST(FoldBatchNormForward, Gemm) {
  for (const int64_t transposed : {0, 1}) {
    GraphBuilder b;
    const auto bn = b.batch_norm(b.input("x", {2, 3}), 3, "bn");
    b.output(b.node("Gemm", {bn, b.random("w", transposed ? Shape{4, 3} : Shape{3, 4}), b.random("c", {4})}, "y",
                    {{"transB", transposed}}));
    EXPECT_THAT(op_types(run_pass(b, "fold_batch_norm_forward").graph()), ElementsAre("Gemm"));
  }
}

TEST(FoldBatchNormForward, LeftAloneWithPaddingGroupsOrAnotherReader) {
  for (const Attributes& attributes : {Attributes{{"pads", Ints{1, 1, 1, 1}}}, Attributes{{"auto_pad", std::string("SAME_UPPER")}},
                                       Attributes{{"group", int64_t{2}}}}) {
    GraphBuilder b;
    const int64_t group = attributes.contains("group") ? 2 : 1;
    const auto bn = b.batch_norm(b.input("x", {1, 4, 5, 5}), 4, "bn");
    b.output(b.node("Conv", {bn, b.random("w", {4, 4 / group, 3, 3})}, "y", attributes));
    EXPECT_EQ(run_pass(b, "fold_batch_norm_forward").changes, 0);
  }
  GraphBuilder b;
  const auto bn = b.batch_norm(b.input("x", {1, 4, 5, 5}), 4, "bn");
  b.output(b.node("Conv", {bn, b.random("w", {4, 4, 3, 3})}, "y"));
  b.output(b.node("Relu", {bn}, "z"));
  EXPECT_EQ(run_pass(b, "fold_batch_norm_forward").changes, 0);
}

TEST(RewriteBatchNorm, BecomesMulAndAdd) {
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{2, 3, 4}, Shape{4, 3}}) {
    GraphBuilder b;
    b.output(b.batch_norm(b.input("x", shape), 3, "bn"));
    const Outcome found = run_pass(b, "rewrite_batch_norm");
    EXPECT_THAT(op_types(found.graph()), ElementsAre("Mul", "Add")) << shape.text();
    EXPECT_EQ(found.producer("bn").name, "bn.node");
  }
}

TEST(Cleanup, TheLayerBeforeABatchNormHasPriority) {
  GraphBuilder b;
  const auto first = b.node("Conv", {b.input("x", {1, 3, 5, 5}), b.random("w1", {4, 3, 1, 1})}, "first");
  const auto bn = b.batch_norm(b.node("Identity", {first}, "same"), 4, "bn");
  b.output(b.node("Conv", {bn, b.random("w2", {4, 4, 1, 1})}, "y"));
  const Outcome found = clean(b);
  EXPECT_EQ(found.state.folded_batch_norms.size(), 1u);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv", "Conv"));
}

}  // namespace
}  // namespace qtool::passes::testing
