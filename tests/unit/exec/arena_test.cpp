#include "arena.h"

#include <gtest/gtest.h>

#include <random>

namespace qtool::exec {
namespace {

TEST(Arena, BuffersThatLiveTogetherNeverOverlap) {
  std::mt19937 random(17);
  for (int round = 0; round < 500; ++round) {
    std::vector<Interval> intervals;
    const size_t count = 1 + random() % 60;
    for (size_t i = 0; i < count; ++i) {
      const int first = static_cast<int>(random() % 40);
      intervals.push_back({.bytes = random() % 5 == 0 ? 0 : random() % 5000, .first = first,
                           .last = first + static_cast<int>(random() % 10)});
    }
    const size_t total = pack_intervals(intervals);
    for (size_t a = 0; a < count; ++a) {
      ASSERT_EQ(0u, intervals[a].offset % kArenaAlignment);
      ASSERT_LE(intervals[a].offset + intervals[a].bytes, total);
      for (size_t b = a + 1; b < count; ++b) {
        const bool together = intervals[a].first <= intervals[b].last && intervals[b].first <= intervals[a].last;
        const bool overlap = intervals[a].offset < intervals[b].offset + intervals[b].bytes &&
                             intervals[b].offset < intervals[a].offset + intervals[a].bytes;
        ASSERT_FALSE(together && overlap && intervals[a].bytes > 0 && intervals[b].bytes > 0) << "round " << round;
      }
    }
  }
}

TEST(Arena, BuffersThatFollowEachOtherShareMemory) {
  std::vector<Interval> chain = {{.bytes = 1000, .first = 0, .last = 1}, {.bytes = 1000, .first = 1, .last = 2},
                                 {.bytes = 1000, .first = 2, .last = 3}, {.bytes = 1000, .first = 3, .last = 4}};
  EXPECT_EQ(2u * 1024u, pack_intervals(chain));
}

TEST(Arena, NothingNeedsNothing) {
  std::vector<Interval> none;
  EXPECT_EQ(0u, pack_intervals(none));
}

}  // namespace
}  // namespace qtool::exec
