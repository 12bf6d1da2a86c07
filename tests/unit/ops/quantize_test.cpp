#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;

TEST(QuantizeLinear, RoundsHalvesToEvenAndSaturates) {
  const Tensor x = floats({6}, {0.5f, 1.5f, 2.5f, -300.0f, 300.0f, std::nanf("")});
  const Tensor y = run({.op = "QuantizeLinear", .inputs = {x, Tensor::scalar(1.0f), Tensor::scalar<int8_t>(0)}});
  EXPECT_THAT(values<int8_t>(y), ElementsAre(0, 2, 2, -128, 127, 0));
}

TEST(QuantizeLinear, IsUnsignedWithoutZeroPoint) {
  const Tensor y = run({.op = "QuantizeLinear", .inputs = {floats({2}, {-1.0f, 2.0f}), Tensor::scalar(0.5f)}});
  EXPECT_EQ(y.dtype(), DType::kUInt8);
  EXPECT_THAT(values<uint8_t>(y), ElementsAre(0, 4));
}

TEST(QuantizeLinear, PerAxis) {
  const Tensor y = run({.op = "QuantizeLinear", .attributes = {{"axis", int64_t{-1}}},
                        .inputs = {floats({2, 2}, {1, 1, 2, 2}), floats({2}, {1.0f, 0.5f}), Tensor::from<uint8_t>({2}, {0, 10})}});
  EXPECT_THAT(values<uint8_t>(y), ElementsAre(1, 12, 2, 14));
}

TEST(QuantizeLinear, PerBlockToFourBits) {
  // One row, blocks of two with scales 1 and 2; int4 saturates at 7.
  const Tensor y = run({.op = "QuantizeLinear", .opset = 21,
                        .attributes = {{"axis", int64_t{1}}, {"block_size", int64_t{2}}, {"output_dtype", int64_t{22}}},
                        .inputs = {floats({1, 4}, {3, 9, 8, -20}), floats({1, 2}, {1.0f, 2.0f})}});
  EXPECT_EQ(y.dtype(), DType::kInt4);
  EXPECT_THAT(values<int8_t>(y), ElementsAre(3, 7, 4, -8));
}

TEST(QuantizeLinear, RefusesScalesThatDoNotFit) {
  const NodeCase test{.op = "QuantizeLinear", .inputs = {counting({2, 3}), floats({2}, {1, 1}), Tensor::from<uint8_t>({2}, {0, 0})}};
  EXPECT_THROW((void)run(test), Error);
  EXPECT_THROW((void)infer_without_values(test), Error);
}

TEST(DequantizeLinear, InvertsQuantizeLinearOnTheGrid) {
  const Tensor scale = floats({2}, {0.25f, 3.0f}), zero = Tensor::from<int16_t>({2}, {-3, 1000});
  const Tensor levels = Tensor::from<int16_t>({2, 3}, {-32768, 0, 32767, -5, 17, 32767});
  const Attributes axis{{"axis", int64_t{0}}};
  const Tensor real = run({.op = "DequantizeLinear", .opset = 21, .attributes = axis, .inputs = {levels, scale, zero}});
  EXPECT_TRUE(run({.op = "QuantizeLinear", .opset = 21, .attributes = axis, .inputs = {real, scale, zero}}).identical(levels));
}

TEST(DequantizeLinear, TakesInt32WithoutZeroPoint) {
  const Tensor y = run({.op = "DequantizeLinear", .inputs = {Tensor::from<int32_t>({2}, {-100000, 3}), Tensor::scalar(0.5f)}});
  EXPECT_THAT(values<float>(y), ElementsAre(-50000.0f, 1.5f));
}

TEST(DequantizeLinear, HasTheTypeOfTheScale) {
  const Tensor y = run({.op = "DequantizeLinear", .opset = 19, .inputs = {Tensor::from<uint8_t>({1}, {2}), Tensor::from<Half>({}, {Half(0.5f)})}});
  EXPECT_EQ(y.dtype(), DType::kFloat16);
}

TEST(DynamicQuantizeLinear, CoversZeroAndSurvivesAllZeroInput) {
  const auto y = run_all({.op = "DynamicQuantizeLinear", .inputs = {floats({3}, {2.0f, 4.0f, 5.1f})}, .outputs = 3});
  EXPECT_THAT(values<uint8_t>(y[0]), ElementsAre(100, 200, 255));  // scale 5.1 / 255 = 0.02, zero point 0
  EXPECT_EQ(y[2].data<uint8_t>()[0], 0);
  const auto zeros = run_all({.op = "DynamicQuantizeLinear", .inputs = {Tensor(DType::kFloat32, {2})}, .outputs = 3});
  EXPECT_THAT(values<uint8_t>(zeros[0]), ElementsAre(0, 0));
}

}  // namespace
}  // namespace qtool::ops::testing
