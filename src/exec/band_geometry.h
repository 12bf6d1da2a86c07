// How a depthwise layer is cut into bands of output rows, and which input rows each band needs.
//
// Dilation parts the rows: output rows y = phase + j * phases read only the input rows first + u * dilation, u counted
// from j * step on, and no other phase reads those. Within a phase the layer has no dilation any more, so that few rows
// are kept however wide the holes are.
#pragma once

#include <cstdint>

#include "qtool/ops/window.h"

namespace qtool::exec {

struct BandGeometry {
  int64_t in_h, in_w, out_h, out_w;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int64_t phases;      // see above
  int64_t step;        // in u, from one output row of a phase to the next
  int64_t kept;        // rows that the next band needs too
  int64_t row_width;   // pixels of an input row with the zeros on both sides

  [[nodiscard]] int64_t rows_of(int64_t phase) const { return (out_h - phase + phases - 1) / phases; }
  // Row of the image for u; outside of it, zeros stand for the row.
  [[nodiscard]] int64_t image_row(int64_t phase, int64_t u) const { return stride_h * phase - pad_top + u * dilation_h; }
  [[nodiscard]] bool inside(int64_t row) const { return row >= 0 && row < in_h; }
  // Input rows under `outputs` rows of a phase.
  [[nodiscard]] int64_t reach(int64_t outputs) const { return (outputs - 1) * step + kernel_h; }
};

// `window` of two axes over an input of in_h x in_w pixels.
[[nodiscard]] BandGeometry band_geometry(const ops::WindowParams& window, int64_t in_h, int64_t in_w);

}  // namespace qtool::exec
