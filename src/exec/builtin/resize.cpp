// Resize and Upsample of images: nearest and bilinear over the two trailing axes, plain or blocked, from index tables.
#include <algorithm>
#include <cmath>

#include "nearest_taps.h"
#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"
#include "threads.h"

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

void stretch_row(const Planes& p, const Taps& columns, const float* source, float* target) {
  for (int64_t w = 0; w < p.out_w; ++w) {
    const float* left = source + columns.first[static_cast<size_t>(w)] * p.lanes;
    const float* right = source + columns.second[static_cast<size_t>(w)] * p.lanes;
    const float over = columns.weight[static_cast<size_t>(w)];
    for (int64_t l = 0; l < p.lanes; ++l) target[w * p.lanes + l] = left[l] + (right[l] - left[l]) * over;
  }
}

// Two stretched source rows, kept while target rows lie between them.
class RowPair {
 public:
  RowPair(const Planes& p, const Taps& columns, float* memory) : p_(p), columns_(columns), rows_{memory, memory + p.out_w * p.lanes} {}

  // The stretched row `row` of the plane; `other` must not be given up for it.
  const float* get(const float* plane, int64_t row, int64_t other) {
    for (int i : {0, 1}) {
      if (held_[i] == row) return rows_[i];
    }
    const int slot = held_[0] == other ? 1 : 0;
    stretch_row(p_, columns_, plane + row * p_.in_w * p_.lanes, rows_[slot]);
    held_[slot] = row;
    return rows_[slot];
  }

 private:
  const Planes& p_;
  const Taps& columns_;
  float* rows_[2];
  int64_t held_[2] = {-1, -1};
};

// Each source row is stretched once, then pairs of rows are mixed. scratch: two target rows a thread.
void bilinear(const Planes& p, const Taps& rows, const Taps& columns, const float* x, float* y, float* scratch) {
  const int64_t row_floats = p.out_w * p.lanes;
  intra_for(p.count, [&](int64_t plane, int thread) {
    RowPair pair(p, columns, scratch + thread * 2 * row_floats);
    const float* source = x + plane * p.in_h * p.in_w * p.lanes;
    for (int64_t h = 0; h < p.out_h; ++h) {
      const int64_t top = rows.first[static_cast<size_t>(h)], bottom = rows.second[static_cast<size_t>(h)];
      const float* upper = pair.get(source, top, bottom);
      const float* lower = pair.get(source, bottom, top);
      simd::kernels().lerp(upper, lower, y + (plane * p.out_h + h) * row_floats, row_floats, rows.weight[static_cast<size_t>(h)]);
    }
  });
}

std::optional<KernelChoice> resize(const KernelRequest& request) {
  const auto resolved = image_resize_params(request);
  if (!resolved) return std::nullopt;
  const ops::ResizeParams& params = *resolved;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  // A result that leaves the graph is row-major in the end: turning the small source is cheaper.
  const bool turns_source = request.graph.is_output(request.node.outputs[0]) && target.element_count() > source.element_count();
  const Layout layout = turns_source ? Layout{} : request.input_layouts[0];
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
    choice.scratch_bytes = static_cast<size_t>(2 * intra_threads() * planes.out_w * planes.lanes) * sizeof(float);
    choice.kernel = make_kernel([planes, rows = linear_taps(params, source, 2, target[2]),
                                 columns = linear_taps(params, source, 3, target[3])](const KernelArgs& args) {
      bilinear(planes, rows, columns, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]),
               reinterpret_cast<float*>(args.scratch));
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
