// Resize and Upsample of images: nearest and bilinear over the two trailing axes, plain or blocked, from index tables.
#include <algorithm>
#include <cmath>

#include "nearest_taps.h"
#include "qtool/exec/registry.h"

namespace qtool::exec {

namespace {

struct Taps {
  std::vector<int64_t> first, second;
  std::vector<float> weight;  // of `second`
};

Taps linear_taps(const ops::ResizeParams& params, const Shape& source, size_t axis, int64_t count) {
  Taps taps;
  for (int64_t i = 0; i < count; ++i) {
    const double at = std::clamp(ops::resize_source(params, source, axis, i), 0.0, static_cast<double>(source[axis] - 1));
    const auto low = static_cast<int64_t>(at);
    taps.first.push_back(low);
    taps.second.push_back(std::min(low + 1, source[axis] - 1));
    taps.weight.push_back(static_cast<float>(at - static_cast<double>(low)));
  }
  return taps;
}

void bilinear(const Planes& p, const Taps& rows, const Taps& columns, const float* x, float* y) {
  for (int64_t plane = 0; plane < p.count; ++plane) {
    const float* source = x + plane * p.in_h * p.in_w * p.lanes;
    float* target = y + plane * p.out_h * p.out_w * p.lanes;
    for (int64_t h = 0; h < p.out_h; ++h) {
      const float* top = source + rows.first[static_cast<size_t>(h)] * p.in_w * p.lanes;
      const float* bottom = source + rows.second[static_cast<size_t>(h)] * p.in_w * p.lanes;
      const float down = rows.weight[static_cast<size_t>(h)];
      for (int64_t w = 0; w < p.out_w; ++w) {
        const int64_t left = columns.first[static_cast<size_t>(w)] * p.lanes;
        const int64_t right = columns.second[static_cast<size_t>(w)] * p.lanes;
        const float over = columns.weight[static_cast<size_t>(w)];
        float* pixel = target + (h * p.out_w + w) * p.lanes;
        for (int64_t l = 0; l < p.lanes; ++l) {
          const float upper = top[left + l] + (top[right + l] - top[left + l]) * over;
          const float lower = bottom[left + l] + (bottom[right + l] - bottom[left + l]) * over;
          pixel[l] = upper + (lower - upper) * down;
        }
      }
    }
  }
}

std::optional<KernelChoice> resize(const KernelRequest& request) {
  const auto resolved = image_resize_params(request);
  if (!resolved) return std::nullopt;
  const ops::ResizeParams& params = *resolved;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  const Layout layout = request.input_layouts[0];
  const Planes planes{physical_count(source, layout) / (source[2] * source[3] * layout.block), source[2], source[3],
                      target[2], target[3], layout.block};
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.input_layouts[0] = layout;
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts = {layout};
  if (params.mode == ops::ResizeMode::kNearest) {
    choice.kernel = make_kernel([planes, taps = *nearest_taps(request)](const KernelArgs& args) {
      copy_nearest(planes, taps, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]));
    });
  } else {
    choice.kernel = make_kernel([planes, rows = linear_taps(params, source, 2, target[2]),
                                 columns = linear_taps(params, source, 3, target[3])](const KernelArgs& args) {
      bilinear(planes, rows, columns, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]));
    });
  }
  return choice;
}

}  // namespace

void register_resize(Registry& registry) {
  registry.add("Resize", resize);
  registry.add("Upsample", resize);
}

}  // namespace qtool::exec
