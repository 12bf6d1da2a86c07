#include "band_geometry.h"

#include <algorithm>
#include <numeric>

namespace qtool::exec {

BandGeometry band_geometry(const ops::WindowParams& window, int64_t in_h, int64_t in_w) {
  BandGeometry g{.in_h = in_h, .in_w = in_w, .out_h = window.output[0], .out_w = window.output[1],
                 .kernel_h = window.kernel[0], .kernel_w = window.kernel[1],
                 .stride_h = window.strides[0], .stride_w = window.strides[1],
                 .dilation_h = window.dilations[0], .dilation_w = window.dilations[1],
                 .pad_top = window.pads_begin[0], .pad_left = window.pads_begin[1]};
  const int64_t common = std::gcd(g.stride_h, g.dilation_h);
  g.phases = std::min(g.dilation_h / common, g.out_h);
  g.step = g.stride_h / common;
  g.kept = std::max<int64_t>(0, g.kernel_h - g.step);
  g.row_width = std::max(g.pad_left + in_w, (g.out_w - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1);
  return g;
}

}  // namespace qtool::exec
