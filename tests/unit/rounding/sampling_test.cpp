#include "sampling.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace qtool::rounding {
namespace {

TEST(Sampling, IndicesAreDifferentAscendingAndInRange) {
  for (const int64_t population : {1, 2, 7, 49, 1000}) {
    for (const int64_t count : {1, 3, 7, 48, 2000}) {
      const auto indices = sample_indices(5, 2, 3, population, count);
      ASSERT_EQ(static_cast<int64_t>(indices.size()), std::min(count, population));
      EXPECT_TRUE(std::adjacent_find(indices.begin(), indices.end(), std::greater_equal<>()) == indices.end());
      EXPECT_GE(indices.front(), 0);
      EXPECT_LT(indices.back(), population);
    }
  }
}

TEST(Sampling, DependsOnEachPartOfTheKey) {
  const auto base = sample_indices(1, 2, 3, 10000, 20);
  EXPECT_EQ(base, sample_indices(1, 2, 3, 10000, 20));
  EXPECT_NE(base, sample_indices(2, 2, 3, 10000, 20));
  EXPECT_NE(base, sample_indices(1, 3, 3, 10000, 20));
  EXPECT_NE(base, sample_indices(1, 2, 4, 10000, 20));
}

TEST(Sampling, CoversThePopulationEvenly) {
  std::vector<int> hits(64, 0);
  for (uint64_t image = 0; image < 4000; ++image) {
    for (const int64_t i : sample_indices(0, 0, image, 64, 16)) ++hits[static_cast<size_t>(i)];
  }
  for (const int count : hits) EXPECT_NEAR(count, 1000, 150);
}

TEST(Sampling, AnEighthOfTheImagesIsHeldOut) {
  const auto count = [](int64_t images) {
    const ImageOrder order = random_order(3, images);
    int64_t held = 0;
    for (int64_t place = 0; place < images; ++place) held += order.held_out(place) ? 1 : 0;
    return held;
  };
  EXPECT_EQ(count(3), 0);
  EXPECT_EQ(count(4), 1);
  EXPECT_EQ(count(128), 16);
  EXPECT_EQ(count(48), 6);
}

TEST(Sampling, OrderHoldsEveryImageOnceAndDependsOnTheSeed) {
  std::vector<int64_t> images = random_order(0, 128).images;
  EXPECT_NE(images, random_order(1, 128).images);
  std::sort(images.begin(), images.end());
  for (int64_t i = 0; i < 128; ++i) EXPECT_EQ(images[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace qtool::rounding
