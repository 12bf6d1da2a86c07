// Bounds and moments of every channel of a tensor: what equalization, bias correction and the search for dead channels need.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/exec/layout.h"
#include "qtool/quant/encoding.h"
#include "qtool/quant/exact_sum.h"

namespace qtool::calib {

// Of finite values only. Merging is order-independent to the last bit: bounds, counts and sums in fixed point.
struct ChannelStatistics {
  int axis = 1;                             // the axis that enumerates channels
  std::vector<quant::Range> range;          // by channel; [0, 0] where nothing was seen
  std::vector<int64_t> count;
  std::vector<quant::ExactSum> sum;         // of x
  std::vector<quant::ExactSum> sum_squares; // of x^2

  [[nodiscard]] size_t channels() const { return count.size(); }
  [[nodiscard]] double mean(size_t channel) const;      // 0 where nothing was seen
  [[nodiscard]] double variance(size_t channel) const;  // population variance, >= 0

  // Sums of one call are taken in double and are rounded once each; so the same calls give the same bits in any order.
  void observe(const exec::PhysicalView& view);
  void merge(const ChannelStatistics& other);
  bool operator==(const ChannelStatistics&) const = default;

 private:
  void resize(size_t channels);
};

}  // namespace qtool::calib
