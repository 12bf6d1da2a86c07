// A histogram whose bin width is a power of two and doubles when the range grows.
//
// Bins are [k * w, (k+1) * w) with w = 2^e; doubling w merges bins 2k and 2k+1, so the final counts depend only on the
// multiset of values: one pass over the data, and the same result for every order, batch size and thread count.
// Minimum and maximum are kept exactly. NaN and infinities are counted apart and never enter the range.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtool/quant/encoding.h"

namespace qtool::quant {

class Histogram {
 public:
  static constexpr int kBins = 2048;

  void add(std::span<const float> values);
  // What a histogram is made of, for files. `counts` may leave trailing zeros out; it is empty when only zeros were seen.
  struct Parts {
    int exponent = 0;
    int64_t first_bin = 0;
    std::vector<uint64_t> counts;
    Range range;
    int64_t finite_count = 0;
    int64_t non_finite_count = 0;
  };
  // Throws Error(kInvalidData) when the parts contradict each other.
  [[nodiscard]] static Histogram from_parts(const Parts& parts);

  // Equal to having added the other's values too.
  void merge(const Histogram& other);

  [[nodiscard]] bool empty() const { return finite_count_ == 0; }
  [[nodiscard]] int64_t finite_count() const { return finite_count_; }
  [[nodiscard]] int64_t non_finite_count() const { return non_finite_count_; }
  // Exact bounds of the finite values; [0, 0] when empty.
  [[nodiscard]] Range range() const { return empty() ? Range{} : Range{min_, max_}; }
  [[nodiscard]] int exponent() const { return exponent_; }
  [[nodiscard]] double bin_width() const;
  // Index of the first bin: bin i covers [(first_bin() + i) * w, (first_bin() + i + 1) * w).
  [[nodiscard]] int64_t first_bin() const { return first_bin_; }
  [[nodiscard]] const std::vector<uint64_t>& counts() const { return counts_; }
  bool operator==(const Histogram&) const = default;

 private:
  class Pending;
  void make_room(double lo, double hi);
  void coarsen_to(int exponent);
  void count_zeros(int64_t zeros);

  int exponent_ = 0;         // w = 2^exponent
  int64_t first_bin_ = 0;
  std::vector<uint64_t> counts_;  // empty until a non-zero finite value was seen
  int64_t finite_count_ = 0;
  int64_t non_finite_count_ = 0;
  int64_t zero_only_count_ = 0;   // zeros seen while no bin width is defined yet
  double min_ = 0.0;
  double max_ = 0.0;
};

}  // namespace qtool::quant
