// Offsets for buffers with live intervals: largest first, at the lowest place free of overlap.
#pragma once

#include <cstddef>
#include <vector>

namespace qtool::exec {

struct Interval {
  size_t bytes;
  int first;  // inclusive steps
  int last;
  size_t offset = 0;  // result
};

inline constexpr size_t kArenaAlignment = 64;

// Fills the offsets and returns the arena size.
size_t pack_intervals(std::vector<Interval>& intervals);

}  // namespace qtool::exec
