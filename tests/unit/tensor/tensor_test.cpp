#include "qtool/tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qtool/support/error.h"

namespace qtool {
namespace {

TEST(Half, RoundTripsEveryFiniteValue) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00u) == 0x7C00u) continue;
    EXPECT_EQ(float_to_half_bits(half_bits_to_float(static_cast<uint16_t>(bits))), bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(Half(2049.0f).bits, Half(2048.0f).bits);  // tie between 2048 and 2050
  EXPECT_EQ(Half(2051.0f).bits, Half(2052.0f).bits);  // tie between 2050 and 2052
  EXPECT_EQ(Half(65520.0f).bits, 0x7C00);             // half way past the largest finite value
  EXPECT_EQ(static_cast<float>(Half(0x1p-24f)), 0x1p-24f);
}

TEST(Shape, RefusesOverflow) {
  EXPECT_THROW((void)Shape({int64_t{1} << 40, int64_t{1} << 40}).element_count(), Error);
  EXPECT_EQ(Shape().element_count(), 1);
  EXPECT_EQ(Shape({3, 0}).element_count(), 0);
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(broadcast_shapes({2, 1, 3}, {4, 1}), Shape({2, 4, 3}));
  EXPECT_EQ(broadcast_shapes({0}, {1}), Shape({0}));
  EXPECT_THROW((void)broadcast_shapes({2}, {3}), Error);
}

TEST(Tensor, CastTruncatesTowardsZero) {
  const Tensor source = Tensor::from<float>({4}, {-1.7f, 1.7f, 0.0f, 3.0f});
  EXPECT_EQ(source.to_int64(), (std::vector<int64_t>{-1, 1, 0, 3}));
}

TEST(Tensor, EmptyTensorHasNoElements) {
  const Tensor empty(DType::kFloat32, {2, 0});
  EXPECT_TRUE(empty.empty());
  EXPECT_TRUE(empty.identical(empty.clone()));
}

TEST(Tensor, ReadingAsAnotherTypeIsRefused) {
  EXPECT_THROW((void)Tensor(DType::kInt32, {1}).data<float>(), Error);
}

}  // namespace
}  // namespace qtool
