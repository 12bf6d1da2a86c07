// Which input positions a layer's kernel taps read, and sums over them.
#pragma once

#include <array>
#include <vector>

#include "qtool/optimize/layer.h"
#include "qtool/exec/layout.h"
#include "qtool/ops/window.h"

namespace qtool::optimize {

// Input indices begin, begin + step, ... (count of them) that one tap of an axis meets while the window moves.
struct TapRange {
  int64_t begin = 0, step = 1, count = 0;
  [[nodiscard]] bool holds(int64_t index) const {
    return index >= begin && (index - begin) % step == 0 && (index - begin) / step < count;
  }
};

class TapWindow {
 public:
  // Convolutions over up to three spatial axes; throws Error(kUnsupported) for more.
  TapWindow(const ir::Graph& graph, const Layer& layer);

  // Every tap reads every position once: one mean a channel says all.
  [[nodiscard]] bool pointwise() const { return pointwise_; }
  [[nodiscard]] int64_t taps() const { return kernel_[0] * kernel_[1] * kernel_[2]; }
  [[nodiscard]] int64_t outputs() const { return outputs_; }  // output positions, all samples of the batch
  // Share of output positions where a tap reads an input and not padding.
  [[nodiscard]] double coverage(int64_t tap) const;

  // sums[channel * taps() + tap] = sum over the input positions of the tap.
  void sum(const exec::PhysicalView& input, std::vector<double>& sums) const;

 private:
  void sum_lanes(const float* data, int64_t lanes, std::vector<double>& acc) const;
  void sum_row(const float* row, int64_t lanes, std::vector<double>& by_tap) const;

  std::array<int64_t, 3> input_{}, kernel_{};
  std::array<std::vector<TapRange>, 3> ranges_;  // by axis and tap of the axis
  int64_t outputs_ = 1, batch_ = 1;
  bool pointwise_ = false;
};

}  // namespace qtool::optimize
