#include <gmock/gmock.h>

#include <cmath>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

const Tensor kLogProbabilities = floats({2, 3}, {-1, -2, -3, -4, -5, -6});

TEST(NegativeLogLikelihoodLoss, WeighsAndIgnoresClasses) {
  const Tensor targets = ints({2, 0}), weights = floats({3}, {1, 2, 5});
  NodeCase test{.op = "NegativeLogLikelihoodLoss", .attributes = {{"reduction", std::string("none")}},
                .inputs = {kLogProbabilities, targets, weights}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(15, 4));
  test.attributes["reduction"] = std::string("sum");
  EXPECT_THAT(values<float>(run(test)), ElementsAre(19));
  test.attributes["reduction"] = std::string("mean");  // the weights of the targets are the denominator
  EXPECT_THAT(values<float>(run(test)), Pointwise(FloatNear(1e-6f), {19.0f / 6}));
  test.attributes["ignore_index"] = int64_t{0};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(3));
}

TEST(NegativeLogLikelihoodLoss, RefusesTargetsThatAreNoClass) {
  const NodeCase test{.op = "NegativeLogLikelihoodLoss", .inputs = {kLogProbabilities, ints({3, 0})}};
  EXPECT_THROW((void)run(test), Error);
  const NodeCase misfit{.op = "NegativeLogLikelihoodLoss", .inputs = {kLogProbabilities, ints({1, 0, 0})}};
  EXPECT_THROW((void)run(misfit), Error);
}

TEST(SoftmaxCrossEntropyLoss, GivesLogProbabilitiesToo) {
  const Tensor scores = floats({1, 2, 2}, {0, 1000, 0, 0});  // classes on axis 1
  const auto results = run_all({.op = "SoftmaxCrossEntropyLoss", .attributes = {{"reduction", std::string("none")}},
                                .inputs = {scores, Tensor::from<int64_t>({1, 2}, {1, 0})}, .outputs = 2});
  EXPECT_THAT(values<float>(results[0]), Pointwise(FloatNear(1e-6f), {std::log(2.0f), 0.0f}));
  EXPECT_THAT(values<float>(results[1]), Pointwise(FloatNear(1e-6f), {-std::log(2.0f), 0.0f, -std::log(2.0f), -1000.0f}));
}

TEST(Det, SwapsRowsWhereAPivotIsZero) {
  const Tensor matrices = floats({2, 2, 2}, {0, 2, 3, 4, 1, 2, 2, 4});
  const Tensor result = run({.op = "Det", .inputs = {matrices}});
  EXPECT_EQ(result.shape(), Shape{2});
  EXPECT_THAT(values<float>(result), ElementsAre(-6, 0));
  EXPECT_THROW((void)run({.op = "Det", .inputs = {floats({2, 1}, {1, 2})}}), Error);
}

TEST(Windows, ArePeriodicUnlessToldOtherwise) {
  NodeCase test{.op = "HannWindow", .opset = 17, .inputs = {Tensor::from<int64_t>(Shape{}, {4})}};
  EXPECT_THAT(values<float>(run(test)), Pointwise(FloatNear(1e-6f), {0.0f, 0.5f, 1.0f, 0.5f}));
  test.attributes["periodic"] = int64_t{0};
  EXPECT_THAT(values<float>(run(test)), Pointwise(FloatNear(1e-6f), {0.0f, 0.75f, 0.75f, 0.0f}));
}

}  // namespace
}  // namespace qtool::ops::testing
