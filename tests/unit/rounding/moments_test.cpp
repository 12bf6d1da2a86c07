#include "moments.h"

#include <gtest/gtest.h>

#include "problem_fixture.h"

namespace qtool::rounding {
namespace {

using testing::correlated_rows;

TEST(Moments, AreTheSumsOfProducts) {
  const LayerShape shape{2, 5, 3};
  const std::vector<float> weights(static_cast<size_t>(shape.channels() * shape.inputs), 0.5f);
  const Rows rows = correlated_rows(shape, weights, 50, 4);
  Moments moments(shape);
  moments.add(rows, 1);
  ASSERT_EQ(moments.blocks, 2);
  for (int64_t g = 0; g < 2; ++g) {
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t j = 0; j < 5; ++j) {
        double expected = 0.0;
        for (int64_t r = 0; r < 50; ++r) expected += static_cast<double>(rows.x[static_cast<size_t>(r * 10 + g * 5 + i)]) * static_cast<double>(rows.x[static_cast<size_t>(r * 10 + g * 5 + j)]);
        EXPECT_NEAR(moments.xx[static_cast<size_t>((g * 5 + i) * 5 + j)], expected, 1e-4);
      }
      for (int64_t o = 0; o < 3; ++o) {
        double expected = 0.0;
        for (int64_t r = 0; r < 50; ++r) expected += static_cast<double>(rows.t[static_cast<size_t>(r * 6 + g * 3 + o)]) * static_cast<double>(rows.x[static_cast<size_t>(r * 10 + g * 5 + i)]);
        EXPECT_NEAR(moments.tx[static_cast<size_t>((g * 3 + o) * 5 + i)], expected, 1e-4);
      }
    }
  }
}

TEST(Moments, DoNotDependOnThreads) {
  const LayerShape shape{1, 600, 300};
  const std::vector<float> weights(static_cast<size_t>(shape.channels() * shape.inputs), 0.1f);
  const Rows rows = correlated_rows(shape, weights, 30, 4);
  Moments one(shape), four(shape);
  one.add(rows, 1);
  four.add(rows, 4);
  EXPECT_EQ(one.xx, four.xx);
  EXPECT_EQ(one.tx, four.tx);
}

TEST(Moments, LongRowsAreCutIntoBlocks) {
  const LayerShape shape{1, kLongestBlock + 11, 2};
  const Moments moments(shape);
  EXPECT_TRUE(moments.cut());
  EXPECT_EQ(moments.blocks, 2);
  EXPECT_EQ(moments.xx.size(), static_cast<size_t>(2 * moments.block_inputs * moments.block_inputs));
}

}  // namespace
}  // namespace qtool::rounding
