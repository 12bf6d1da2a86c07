#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::Pointwise;

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Round, TakesHalvesToEven) {
  const Tensor y = run({.op = "Round", .inputs = {floats({6}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 2.4f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0.0f, 2.0f, 2.0f, -0.0f, -2.0f, 2.0f));
}

TEST(Abs, OfTheLowestIntegerWraps) {
  const Tensor y = run({.op = "Abs", .inputs = {Tensor::from<int8_t>({3}, {-128, -1, 5})}});
  EXPECT_THAT(values<int8_t>(y), ElementsAre(-128, 1, 5));
}

TEST(Relu, KeepsNan) {
  const auto y = values<float>(run({.op = "Relu", .inputs = {floats({3}, {-1.0f, kNan, 2.0f})}}));
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 2.0f);
}

TEST(Clip, ReadsBoundsFromAttributesBeforeOpset11) {
  const Tensor y = run({.op = "Clip", .opset = 10, .attributes = {{"min", -1.0f}, {"max", 6.0f}},
                        .inputs = {floats({3}, {-2.0f, 3.0f, 9.0f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(-1.0f, 3.0f, 6.0f));
}

TEST(Clip, BoundInputsAreOptional) {
  const Tensor x = floats({3}, {-2.0f, 3.0f, 9.0f});
  const Tensor y = run({.op = "Clip", .inputs = {x, Tensor(), Tensor::scalar(6.0f)}, .left_out = {1}});
  EXPECT_THAT(values<float>(y), ElementsAre(-2.0f, 3.0f, 6.0f));
}

TEST(Clip, CrossedBoundsGiveTheUpperOne) {
  const Tensor y = run({.op = "Clip", .inputs = {floats({2}, {-2.0f, 9.0f}), Tensor::scalar(2.0f), Tensor::scalar(1.0f)}});
  EXPECT_THAT(values<float>(y), ElementsAre(1.0f, 1.0f));
}

TEST(Clip, LeavesInfinitiesAloneWithoutBounds) {
  EXPECT_THAT(values<float>(run({.op = "Clip", .inputs = {floats({2}, {-kInf, kInf})}})), ElementsAre(-kInf, kInf));
}

TEST(Sigmoid, SaturatesWithoutNan) {
  const Tensor y = run({.op = "Sigmoid", .inputs = {floats({3}, {-1000.0f, 0.0f, 1000.0f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0.0f, 0.5f, 1.0f));
}

TEST(Softplus, DoesNotOverflow) {
  const Tensor y = run({.op = "Softplus", .inputs = {floats({2}, {1000.0f, -1000.0f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1000.0f, 0.0f));
}

TEST(Gelu, RefusesAnUnknownApproximation) {
  const NodeCase test{.op = "Gelu", .opset = 20, .attributes = {{"approximate", std::string("cubic")}}, .inputs = {floats({1}, {1.0f})}};
  EXPECT_THROW((void)run(test), Error);
}

TEST(Add, BroadcastsBothWays) {
  // [2,1] + [3] -> [2,3]
  const Tensor y = run({.op = "Add", .inputs = {floats({2, 1}, {10.0f, 20.0f}), floats({3}, {1.0f, 2.0f, 3.0f})}});
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_THAT(values<float>(y), ElementsAre(11.0f, 12.0f, 13.0f, 21.0f, 22.0f, 23.0f));
}

TEST(Add, BroadcastsAnInnerAxis) {
  // [2,1,2] + [2,3,1]: neither operand is contiguous in the result's order.
  const Tensor y = run({.op = "Add", .inputs = {floats({2, 1, 2}, {1, 2, 3, 4}), floats({2, 3, 1}, {10, 20, 30, 40, 50, 60})}});
  EXPECT_THAT(values<float>(y), ElementsAre(11, 12, 21, 22, 31, 32, 43, 44, 53, 54, 63, 64));
}

TEST(Add, OfAnEmptyTensorIsEmpty) {
  const Tensor y = run({.op = "Add", .inputs = {Tensor(DType::kFloat32, {0, 3}), floats({1}, {1.0f})}});
  EXPECT_EQ(y.shape(), (Shape{0, 3}));
}

TEST(Add, RoundsHalfPrecisionOnce) {
  // 2048 + 1 is not a half; the tie goes to the even mantissa, 2048.
  const Tensor y = run({.op = "Add", .inputs = {Tensor::from<Half>({1}, {Half(2048.0f)}), Tensor::from<Half>({1}, {Half(1.0f)})}});
  EXPECT_EQ(static_cast<float>(y.data<Half>()[0]), 2048.0f);
}

TEST(Add, RefusesMixedTypesAndShapesThatDoNotBroadcast) {
  const NodeCase types{.op = "Add", .inputs = {floats({1}, {1.0f}), ints({1})}};
  EXPECT_THROW((void)run(types), Error);
  EXPECT_THROW((void)infer_without_values(types), Error);
  const NodeCase shapes{.op = "Add", .inputs = {counting({2}), counting({3})}};
  EXPECT_THROW((void)run(shapes), Error);
}

TEST(Div, TruncatesIntegersAndRefusesZero) {
  EXPECT_THAT(values<int64_t>(run({.op = "Div", .inputs = {ints({-7, 7}), ints({2, -2})}})), ElementsAre(-3, -3));
  const NodeCase by_zero{.op = "Div", .inputs = {ints({1}), ints({0})}};
  EXPECT_THROW((void)run(by_zero), Error);
}

TEST(Div, OfTheLowestIntegerByMinusOneDoesNotTrap) {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  EXPECT_THAT(values<int64_t>(run({.op = "Div", .inputs = {ints({kLowest}), ints({-1})}})), ElementsAre(kLowest));
}

TEST(Mod, SignFollowsDivisorOrDividend) {
  EXPECT_THAT(values<int64_t>(run({.op = "Mod", .inputs = {ints({-4, 7, 5}), ints({3, -3, 5})}})), ElementsAre(2, -2, 0));
  EXPECT_THAT(values<int64_t>(run({.op = "Mod", .attributes = {{"fmod", int64_t{1}}}, .inputs = {ints({-4, 7, 5}), ints({3, -3, 5})}})),
              ElementsAre(-1, 1, 0));
}

TEST(Pow, KeepsTheTypeOfTheBase) {
  const Tensor y = run({.op = "Pow", .inputs = {ints({2, 3}), floats({2}, {3.0f, 0.5f})}});
  EXPECT_THAT(values<int64_t>(y), ElementsAre(8, 1));  // sqrt(3) truncated
  EXPECT_THAT(values<float>(run({.op = "Pow", .inputs = {floats({2}, {2.0f, -2.0f}), ints({-1, 3})}})), ElementsAre(0.5f, -8.0f));
}

TEST(Pow, OfIntegersIsExactBeyondDoublePrecision) {
  EXPECT_THAT(values<int64_t>(run({.op = "Pow", .inputs = {ints({3}), ints({39})}})), ElementsAre(4052555153018976267));
}

TEST(Max, KeepsNanFromEitherSide) {
  const auto y = values<float>(run({.op = "Max", .inputs = {floats({3}, {1.0f, kNan, 3.0f}), floats({3}, {kNan, 2.0f, 2.0f})}}));
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 3.0f);
}

TEST(Sum, BroadcastsAnyNumberOfInputs) {
  const Tensor y = run({.op = "Sum", .inputs = {counting({2, 2}), Tensor::scalar(10.0f), floats({2}, {1.0f, 2.0f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(11, 13, 13, 15));
  EXPECT_THAT(values<float>(run({.op = "Mean", .inputs = {counting({2}), Tensor::scalar(4.0f)}})), ElementsAre(2.0f, 2.5f));
}

TEST(BitShift, OutOfRangeAmountsShiftEverythingOut) {
  const Attributes left{{"direction", std::string("LEFT")}}, right{{"direction", std::string("RIGHT")}};
  const Tensor x = Tensor::from<uint8_t>({3}, {1, 255, 16}), by = Tensor::from<uint8_t>({3}, {7, 8, 2});
  EXPECT_THAT(values<uint8_t>(run({.op = "BitShift", .attributes = left, .inputs = {x, by}})), ElementsAre(128, 0, 64));
  EXPECT_THAT(values<uint8_t>(run({.op = "BitShift", .attributes = right, .inputs = {x, by}})), ElementsAre(0, 0, 4));
}

TEST(Where, BroadcastsAllThree) {
  const Tensor y = run({.op = "Where", .inputs = {Tensor::from<bool>({2, 1}, {true, false}), ints({1, 2}), Tensor::scalar<int64_t>(9)}});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_THAT(values<int64_t>(y), ElementsAre(1, 2, 9, 9));
}

TEST(PRelu, SlopeBroadcastsToTheInputOnly) {
  const Tensor y = run({.op = "PRelu", .inputs = {floats({2, 2}, {-1, 1, -2, 2}), floats({2, 1}, {0.5f, 0.25f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(-0.5f, 1.0f, -0.5f, 2.0f));
  const NodeCase wide{.op = "PRelu", .inputs = {floats({1}, {-1.0f}), floats({2}, {0.5f, 0.25f})}};
  EXPECT_THROW((void)run(wide), Error);
}

TEST(Cast, TruncatesAndHandlesWhatDoesNotFit) {
  const Attributes to_int64{{"to", int64_t{7}}}, to_bool{{"to", int64_t{9}}}, to_int4{{"to", int64_t{22}}};
  const Tensor x = floats({5}, {-1.9f, 1.9f, kNan, kInf, -kInf});
  EXPECT_THAT(values<int64_t>(run({.op = "Cast", .attributes = to_int64, .inputs = {x}})),
              ElementsAre(-1, 1, 0, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()));
  EXPECT_THAT(values<bool>(run({.op = "Cast", .attributes = to_bool, .inputs = {floats({3}, {0.0f, -0.0f, 0.1f})}})),
              ElementsAre(false, false, true));
  const Tensor four_bits = run({.op = "Cast", .opset = 21, .attributes = to_int4, .inputs = {floats({3}, {7.0f, 8.0f, -8.0f})}});
  EXPECT_EQ(four_bits.dtype(), DType::kInt4);
  EXPECT_THAT(values<int8_t>(four_bits), ElementsAre(7, -8, -8));
}

TEST(Softmax, MeansTheFlattenedRestBeforeOpset13) {
  const Tensor x(DType::kFloat32, {2, 2, 2});  // all zero: every probability is 1 / group size
  EXPECT_THAT(values<float>(run({.op = "Softmax", .opset = 11, .inputs = {x}})), ::testing::Each(0.25f));
  EXPECT_THAT(values<float>(run({.op = "Softmax", .opset = 13, .inputs = {x}})), ::testing::Each(0.5f));
  EXPECT_THAT(values<float>(run({.op = "Softmax", .opset = 11, .attributes = {{"axis", int64_t{0}}}, .inputs = {x}})), ::testing::Each(0.125f));
}

TEST(Softmax, IsStableForLargeInputs) {
  EXPECT_THAT(values<float>(run({.op = "Softmax", .inputs = {floats({1, 2}, {10000.0f, 10000.0f})}})), ElementsAre(0.5f, 0.5f));
}

TEST(Hardmax, MarksTheFirstOfEqualElements) {
  EXPECT_THAT(values<float>(run({.op = "Hardmax", .inputs = {floats({1, 3}, {1.0f, 5.0f, 5.0f})}})), ElementsAre(0, 1, 0));
}

}  // namespace
}  // namespace qtool::ops::testing
