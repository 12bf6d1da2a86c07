// Accuracy of a classifier.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qtool::eval {

// The classes with the largest scores, best first; equal scores: the smaller index first; NaN last.
// At most `count`.
[[nodiscard]] std::vector<int64_t> best_classes(std::span<const float> scores, size_t count);

struct Accuracy {
  int64_t images = 0;
  int64_t top1_hits = 0;
  int64_t top5_hits = 0;
  // 0..1; 0 without images.
  [[nodiscard]] double top1() const;
  [[nodiscard]] double top5() const;

  void add(std::span<const int64_t> best, int64_t truth);
};

// Share of equal entries, 0..1; throws Error(kInternal) unless both have the same length. Empty: 1.
[[nodiscard]] double agreement(std::span<const int64_t> a, std::span<const int64_t> b);

}  // namespace qtool::eval
