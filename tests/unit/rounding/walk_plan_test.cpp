#include "walk_plan.h"

#include <gtest/gtest.h>

namespace qtool::rounding {
namespace {

std::vector<WalkStop> stops(const std::vector<int64_t>& values, int64_t pixels = 1000, int64_t rows = 4096) {
  std::vector<WalkStop> list;
  for (const int64_t value : values) list.push_back({.values = value, .pixels = pixels, .rows = rows});
  return list;
}

std::vector<int64_t> stored(const WalkPlan& plan) {
  std::vector<int64_t> counts;
  for (const WalkStep& step : plan.steps) counts.push_back(step.stored);
  return counts;
}

TEST(WalkPlan, EverythingStaysWideWhenItFits) {
  const WalkPlan plan = plan_walk(stops({10, 20, 5}), 128, 128 * 20 * kWideBytes);
  EXPECT_FALSE(plan.compact);
  EXPECT_EQ(stored(plan), (std::vector<int64_t>{128, 128, 128}));
  EXPECT_EQ(plan.steps[1].visited, 128);
}

TEST(WalkPlan, HalfTheMemoryIsEnoughWithSixteenBits) {
  const WalkPlan plan = plan_walk(stops({10, 20, 5}), 128, 128 * 20 * kCompactBytes);
  EXPECT_TRUE(plan.compact);
  EXPECT_EQ(stored(plan), (std::vector<int64_t>{128, 128, 128}));
}

TEST(WalkPlan, ImagesLeaveAndJoinAgainButNotForShortStays) {
  std::vector<int64_t> values(12, 1);
  values[4] = 100;                  // splits the walk into stays of 4 and 7 layers: too short to join for
  values.resize(30, 1);             // ... and the second one is long enough
  const WalkPlan plan = plan_walk(stops(values), 100, 100 * kCompactBytes);
  EXPECT_TRUE(plan.compact);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(plan.steps[i].stored, 1) << i;
  for (size_t i = 5; i < 30; ++i) EXPECT_EQ(plan.steps[i].stored, 100) << i;
}

TEST(WalkPlan, NeverMoreThanFits) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 60; ++i) values.push_back(1 + (i * 37) % 23);
  constexpr int64_t kBudget = 400;
  const WalkPlan plan = plan_walk(stops(values), 128, kBudget);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_LE(plan.steps[i].stored * values[i] * kCompactBytes, kBudget);
}

TEST(WalkPlan, LayersWithFewPixelsVisitMoreImagesThanAreStored) {
  const WalkPlan few = plan_walk(stops(std::vector<int64_t>(9, 100), 40), 128, 0);
  EXPECT_EQ(few.steps[0].stored, 0);
  EXPECT_EQ(few.steps[0].visited, 103);                                                        // 4096 rows of 40 pixels
  EXPECT_EQ(plan_walk(stops({100}, 100000), 128, 0).steps[0].visited, 32);                      // never fewer
  EXPECT_EQ(plan_walk(stops({-1}, 1), 128, 1 << 20).steps[0].visited, 128);                     // unknown size: not stored
  EXPECT_EQ(plan_walk(stops({-1}, 1), 128, 1 << 20).steps[0].stored, 0);
  EXPECT_EQ(plan_walk(stops({1}), 7, 1 << 20).steps[0].visited, 7);
}

}  // namespace
}  // namespace qtool::rounding
