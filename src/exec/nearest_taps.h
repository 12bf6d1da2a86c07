// Nearest Resize of images as index tables over the two trailing axes.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "qtool/exec/kernel.h"
#include "qtool/ops/resize_params.h"

namespace qtool::exec {

// [count][rows][columns][lanes]: plain images have one lane, blocked ones a block, channels-last ones every channel.
struct Planes {
  int64_t count, in_h, in_w, out_h, out_w, lanes;
};

struct NearestTaps {
  std::vector<int64_t> rows, columns;  // source index of each target row and column
};

// Parameters of a Resize or Upsample whose sizes are constant and whose batch and channels stay; nullopt otherwise.
[[nodiscard]] std::optional<ops::ResizeParams> image_resize_params(const KernelRequest& request);
// The same for mode nearest only.
[[nodiscard]] std::optional<NearestTaps> nearest_taps(const KernelRequest& request);

template <class T>
void copy_nearest(const Planes& p, const NearestTaps& taps, const T* x, T* y) {
  for (int64_t plane = 0; plane < p.count; ++plane) {
    const T* source = x + plane * p.in_h * p.in_w * p.lanes;
    T* target = y + plane * p.out_h * p.out_w * p.lanes;
    for (int64_t h = 0; h < p.out_h; ++h) {
      T* row = target + h * p.out_w * p.lanes;
      const int64_t from_row = taps.rows[static_cast<size_t>(h)];
      if (h > 0 && from_row == taps.rows[static_cast<size_t>(h) - 1]) {
        std::copy_n(row - p.out_w * p.lanes, p.out_w * p.lanes, row);
        continue;
      }
      const T* from = source + from_row * p.in_w * p.lanes;
      for (int64_t w = 0; w < p.out_w; ++w) {
        std::copy_n(from + taps.columns[static_cast<size_t>(w)] * p.lanes, p.lanes, row + w * p.lanes);
      }
    }
  }
}

}  // namespace qtool::exec
