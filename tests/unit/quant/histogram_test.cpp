#include "qtool/quant/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

namespace qtool::quant {
namespace {

std::vector<float> samples(size_t count, float spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3f, spread);
  std::vector<float> values(count);
  for (float& value : values) value = std::max(-0.05f, normal(random));
  return values;
}

Histogram of(std::span<const float> values) {
  Histogram histogram;
  histogram.add(values);
  return histogram;
}

TEST(Histogram, DoesNotDependOnOrderOrSplit) {
  std::vector<float> values = samples(50000, 0.1f, 1);
  const std::vector<float> wide = samples(3000, 40.0f, 2);
  values.insert(values.end(), wide.begin(), wide.end());
  values.insert(values.end(), 500, 0.0f);
  const Histogram whole = of(values);
  std::vector<float> reversed(values.rbegin(), values.rend());
  EXPECT_EQ(of(reversed), whole);

  Histogram merged;
  for (size_t at = 0; at < values.size(); at += 777) {
    merged.merge(of(std::span(values).subspan(at, std::min<size_t>(777, values.size() - at))));
  }
  EXPECT_EQ(merged, whole);
  const uint64_t total = std::accumulate(whole.counts().begin(), whole.counts().end(), uint64_t{0});
  EXPECT_EQ(total, values.size());
}

TEST(Histogram, BoundsAreExactAndBinsHoldTheirValues) {
  const std::vector<float> values = {-1.25f, 0.1f, 3.0f, 3.0f};
  const Histogram histogram = of(values);
  EXPECT_EQ(histogram.range(), (Range{-1.25, 3.0}));
  const auto bin = static_cast<size_t>(static_cast<int64_t>(3.0 / histogram.bin_width()) - histogram.first_bin());
  EXPECT_EQ(histogram.counts()[bin], 2u);
}

TEST(Histogram, ZerosFirstGiveTheSameAsZerosLast) {
  Histogram first, last;
  const std::vector<float> zeros(100, 0.0f), others = {0.5f, 2.0f};
  first.add(zeros);
  first.add(others);
  last.add(others);
  last.add(zeros);
  EXPECT_EQ(first, last);
  EXPECT_EQ(of(zeros).range(), (Range{0.0, 0.0}));
}

TEST(Histogram, ZeroMayLieOutsideOfTheBins) {
  const Histogram histogram = of(std::vector<float>(64, 2.5f));
  EXPECT_EQ(histogram.range(), (Range{2.5, 2.5}));
  EXPECT_EQ(histogram.counts()[0], 64u);
}

TEST(Histogram, NonFiniteValuesAreCountedApart) {
  const float inf = std::numeric_limits<float>::infinity();
  const Histogram histogram = of(std::vector<float>{1.0f, inf, std::numeric_limits<float>::quiet_NaN(), -2.0f, -inf});
  EXPECT_EQ(histogram.non_finite_count(), 3);
  EXPECT_EQ(histogram.range(), (Range{-2.0, 1.0}));
}

}  // namespace
}  // namespace qtool::quant
