#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;

const Tensor kTwoByThree = floats({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(Gemm, ScalesTransposesAndBroadcastsC) {
  // 2 * A^T B with A = [[1, 2]] and B = [[3, 4]]: [[6, 8], [12, 16]]; C = column (10, 20), beta 0.5.
  const Tensor y = run({.op = "Gemm",
                        .attributes = {{"transA", int64_t{1}}, {"alpha", 2.0f}, {"beta", 0.5f}},
                        .inputs = {floats({1, 2}, {1, 2}), floats({1, 2}, {3, 4}), floats({2, 1}, {10, 20})}});
  EXPECT_THAT(values<float>(y), ElementsAre(11, 13, 22, 26));
}

TEST(Gemm, WorksWithoutC) {
  const Tensor y = run({.op = "Gemm", .opset = 11, .attributes = {{"transB", int64_t{1}}}, .inputs = {kTwoByThree, kTwoByThree}});
  EXPECT_THAT(values<float>(y), ElementsAre(14, 32, 32, 77));
}

TEST(Gemm, TakesScalarAndRowC) {
  const Tensor b = floats({3, 1}, {1, 0, 0});
  EXPECT_THAT(values<float>(run({.op = "Gemm", .inputs = {kTwoByThree, b, floats({}, {5})}})), ElementsAre(6, 9));
  EXPECT_THAT(values<float>(run({.op = "Gemm", .inputs = {kTwoByThree, b, floats({1}, {5})}})), ElementsAre(6, 9));
}

TEST(Gemm, ChannelAxisFollowsTransB) {
  const OpDef& gemm = *builtin_registry().find("", "Gemm");
  ir::Node node;
  EXPECT_EQ(gemm.traits.weight_channel_axis(node), 1);
  node.attributes["transB"] = int64_t{1};
  EXPECT_EQ(gemm.traits.weight_channel_axis(node), 0);
}

TEST(MatMul, TreatsVectorsAsNumpyDoes) {
  const Tensor v3 = floats({3}, {1, 1, 1}), v2 = floats({2}, {1, 10});
  EXPECT_EQ(run({.op = "MatMul", .inputs = {v3, v3}}).shape(), Shape{});
  EXPECT_THAT(values<float>(run({.op = "MatMul", .inputs = {kTwoByThree, v3}})), ElementsAre(6, 15));
  EXPECT_THAT(values<float>(run({.op = "MatMul", .inputs = {v2, kTwoByThree}})), ElementsAre(41, 52, 63));
}

TEST(MatMul, BroadcastsBatches) {
  // [2, 1, 1, 2] x [3, 2, 1] -> [2, 3, 1, 1]
  const Tensor y = run({.op = "MatMul", .inputs = {floats({2, 1, 1, 2}, {1, 2, 3, 4}), floats({3, 2, 1}, {1, 0, 0, 1, 1, 1})}});
  EXPECT_EQ(y.shape(), (Shape{2, 3, 1, 1}));
  EXPECT_THAT(values<float>(y), ElementsAre(1, 2, 3, 3, 4, 7));
}

TEST(MatMul, OverAnEmptyDepthIsZero) {
  const Tensor y = run({.op = "MatMul", .inputs = {floats({2, 0}, {}), floats({0, 2}, {})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 0, 0, 0));
}

TEST(MatMul, RefusesOtherDepths) {
  EXPECT_THROW((void)run({.op = "MatMul", .inputs = {kTwoByThree, kTwoByThree}}), Error);
}

TEST(MatMulInteger, TakesZeroPointsPerRowAndColumn) {
  // a - (1, 2): [[0, 1], [1, 2]]; b - (0, 10): [[1, -8], [3, -6]]
  const Tensor y = run({.op = "MatMulInteger",
                        .inputs = {Tensor::from<uint8_t>({2, 2}, {1, 2, 3, 4}), Tensor::from<uint8_t>({2, 2}, {1, 2, 3, 4}),
                                   Tensor::from<uint8_t>({2}, {1, 2}), Tensor::from<uint8_t>({2}, {0, 10})}});
  EXPECT_THAT(values<int32_t>(y), ElementsAre(3, -6, 7, -20));
}

TEST(QLinearMatMul, Saturates) {
  const Tensor one = Tensor::scalar(1.0f), zero = Tensor::scalar<uint8_t>(0);
  const Tensor y = run({.op = "QLinearMatMul",
                        .inputs = {Tensor::from<uint8_t>({1, 1}, {100}), one, zero, Tensor::from<uint8_t>({1, 2}, {1, 3}), one,
                                   zero, one, Tensor::scalar<uint8_t>(5)}});
  EXPECT_THAT(values<uint8_t>(y), ElementsAre(105, 255));
}

}  // namespace
}  // namespace qtool::ops::testing
