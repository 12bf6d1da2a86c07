#include "arena.h"

#include <algorithm>
#include <numeric>

namespace qtool::exec {

size_t pack_intervals(std::vector<Interval>& intervals) {
  std::vector<size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return intervals[a].bytes > intervals[b].bytes; });
  std::vector<size_t> placed;  // sorted by offset
  size_t total = 0;
  for (const size_t at : order) {
    Interval& interval = intervals[at];
    const size_t bytes = (interval.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
    size_t offset = 0;
    for (const size_t other : placed) {
      const Interval& taken = intervals[other];
      const bool overlaps_in_time = taken.first <= interval.last && interval.first <= taken.last;
      if (!overlaps_in_time) continue;
      if (offset + bytes <= taken.offset) break;
      const size_t end = taken.offset + (taken.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
      offset = std::max(offset, end);
    }
    interval.offset = offset;
    total = std::max(total, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](size_t o, size_t p) { return o < intervals[p].offset; }),
                  at);
  }
  return total;
}

}  // namespace qtool::exec
