#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;
using Ints = std::vector<int64_t>;

constexpr float kTolerance = 1e-5f;

TEST(BatchNormalization, UsesOneStatisticAChannel) {
  // Variance + epsilon = 4 and 1.
  NodeCase test{.op = "BatchNormalization", .opset = 9, .attributes = {{"epsilon", 0.5f}},
                .inputs = {floats({1, 2, 2}, {1, 3, 5, 6}), floats({2}, {2, 3}), floats({2}, {0, 1}), floats({2}, {1, 5}),
                           floats({2}, {3.5f, 0.5f})}};
  for (const int64_t opset : {7, 9, 14, 15}) {
    test.opset = opset;
    EXPECT_THAT(values<float>(run(test)), ElementsAre(0, 2, 1, 4)) << "opset " << opset;
  }
}

TEST(BatchNormalization, Opset7MayNormalizeEveryFeature) {
  const Tensor y = run({.op = "BatchNormalization", .opset = 7, .attributes = {{"spatial", int64_t{0}}, {"epsilon", 0.0f}},
                        .inputs = {floats({2, 1, 2}, {1, 2, 3, 4}), floats({1, 2}, {1, 1}), floats({1, 2}, {0, 0}),
                                   floats({1, 2}, {1, 2}), floats({1, 2}, {1, 4})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 0, 2, 1));
}

TEST(BatchNormalization, TrainingModeUpdatesTheRunningStatistics) {
  // Batch mean 2, population variance 1; momentum 0.5 from mean 0 and variance 3.
  const std::vector<Tensor> y =
      run_all({.op = "BatchNormalization", .opset = 15,
               .attributes = {{"training_mode", int64_t{1}}, {"momentum", 0.5f}, {"epsilon", 0.0f}},
               .inputs = {floats({2, 1}, {1, 3}), floats({1}, {1}), floats({1}, {0}), floats({1}, {0}), floats({1}, {3})},
               .outputs = 3});
  EXPECT_THAT(values<float>(y[0]), ElementsAre(-1, 1));
  EXPECT_THAT(values<float>(y[1]), ElementsAre(1));
  EXPECT_THAT(values<float>(y[2]), ElementsAre(2));
}

TEST(InstanceNormalization, NormalizesEachPlane) {
  const Tensor y = run({.op = "InstanceNormalization", .attributes = {{"epsilon", 0.0f}},
                        .inputs = {floats({1, 2, 2}, {1, 3, 10, 30}), floats({2}, {1, 2}), floats({2}, {0, 5})}});
  EXPECT_THAT(values<float>(y), Pointwise(FloatNear(kTolerance), {-1, 1, 3, 7}));
}

TEST(GroupNormalization, ScalesGroupsBeforeOpset21AndChannelsAfter) {
  const Tensor x = floats({1, 4, 1}, {1, 3, 10, 30});
  NodeCase test{.op = "GroupNormalization", .opset = 18, .attributes = {{"num_groups", int64_t{2}}, {"epsilon", 0.0f}},
                .inputs = {x, floats({2}, {1, 10}), floats({2}, {0, 5})}};
  EXPECT_THAT(values<float>(run(test)), Pointwise(FloatNear(kTolerance), {-1, 1, -5, 15}));
  test.opset = 21;
  EXPECT_THROW((void)run(test), Error);
  test.inputs = {x, floats({4}, {1, 2, 3, 4}), floats({4}, {0, 0, 1, 1})};
  EXPECT_THAT(values<float>(run(test)), Pointwise(FloatNear(kTolerance), {-1, 2, -2, 5}));
}

TEST(LayerNormalization, GivesStatisticsOfTheTrailingAxes) {
  const std::vector<Tensor> y = run_all({.op = "LayerNormalization", .opset = 17,
                                         .attributes = {{"axis", int64_t{1}}, {"epsilon", 0.0f}},
                                         .inputs = {floats({2, 1, 2}, {1, 3, 2, 6}), floats({1, 2}, {1, 2}), floats({2}, {0, 1})},
                                         .outputs = 3});
  EXPECT_THAT(values<float>(y[0]), ElementsAre(-1, 3, -1, 3));
  EXPECT_EQ(y[1].shape(), (Shape{2, 1, 1}));
  EXPECT_THAT(values<float>(y[1]), ElementsAre(2, 4));
  EXPECT_THAT(values<float>(y[2]), ElementsAre(1, 0.5f));
}

TEST(RMSNormalization, DividesByTheRootMeanSquare) {
  const Tensor y = run({.op = "RMSNormalization", .opset = 23, .attributes = {{"epsilon", 0.0f}},
                        .inputs = {floats({1, 2}, {1, 7}), floats({2}, {5, 10})}});
  EXPECT_THAT(values<float>(y), Pointwise(FloatNear(kTolerance), {1, 14}));  // sqrt((1 + 49) / 2) = 5
}

TEST(LpNormalization, LeavesZerosAlone) {
  const Tensor x = floats({2, 2}, {3, 0, -4, 0});
  EXPECT_THAT(values<float>(run({.op = "LpNormalization", .attributes = {{"axis", int64_t{0}}}, .inputs = {x}})),
              Pointwise(FloatNear(kTolerance), {0.6f, 0.0f, -0.8f, 0.0f}));
  EXPECT_THAT(values<float>(run({.op = "LpNormalization", .attributes = {{"axis", int64_t{-2}}, {"p", int64_t{1}}}, .inputs = {x}})),
              Pointwise(FloatNear(kTolerance), {3.0f / 7, 0.0f, -4.0f / 7, 0.0f}));
}

TEST(MeanVarianceNormalization, KeepsChannelsApartByDefault) {
  const Tensor y = run({.op = "MeanVarianceNormalization", .inputs = {floats({2, 2, 1, 1}, {1, 10, 3, 30})}});
  EXPECT_THAT(values<float>(y), Pointwise(FloatNear(kTolerance), {-1, -1, 1, 1}));
}

TEST(Lrn, SumsMoreChannelsBehindForEvenSizes) {
  // size 2 covers the channel and the next; alpha / size = 1, beta 1, bias 0: x / (sum of squares).
  const Tensor y = run({.op = "LRN", .attributes = {{"size", int64_t{2}}, {"alpha", 2.0f}, {"beta", 1.0f}, {"bias", 0.0f}},
                        .inputs = {floats({1, 3, 1}, {1, 2, 4})}});
  EXPECT_THAT(values<float>(y), Pointwise(FloatNear(kTolerance), {0.2f, 0.1f, 0.25f}));
}

TEST(Normalizations, AcceptEmptyTensors) {
  const Tensor none = floats({0, 2, 3}, {}), two = floats({2}, {1, 1});
  EXPECT_TRUE(run({.op = "InstanceNormalization", .inputs = {none, two, two}}).empty());
  EXPECT_TRUE(run({.op = "BatchNormalization", .inputs = {none, two, two, two, two}}).empty());
  EXPECT_TRUE(run({.op = "LayerNormalization", .opset = 17, .inputs = {none, floats({3}, {1, 1, 1})}}).empty());
  EXPECT_TRUE(run({.op = "LpNormalization", .inputs = {none}}).empty());
}

}  // namespace
}  // namespace qtool::ops::testing
