// Softmax over any axis. Opset 13 normalises one axis; before, everything from the axis on is one row.
#include <algorithm>

#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

constexpr int64_t kShortRow = 16;

void softmax_row(const float* x, float* y, int64_t n) {
  const simd::Kernels& simd = simd::kernels();
  const float sum = simd.exp_sum(x, y, n, simd.row_max(x, n));
  simd.affine(y, y, n, 1.0f / sum, 0.0f);
}

// The axis is not innermost: columns of `inner` neighbours are normalised together, a tile at a time.
void softmax_columns(const float* x, float* y, int64_t n, int64_t inner) {
  constexpr int64_t kTile = 256;
  const simd::Kernels& simd = simd::kernels();
  float peak[kTile], sum[kTile];
  for (int64_t at = 0; at < inner; at += kTile) {
    const int64_t width = std::min(kTile, inner - at);
    std::copy_n(x + at, width, peak);
    for (int64_t i = 1; i < n; ++i) simd.max(x + i * inner + at, peak, peak, width);
    std::fill_n(sum, width, 0.0f);
    for (int64_t i = 0; i < n; ++i) {
      float* row = y + i * inner + at;
      simd.sub(x + i * inner + at, peak, row, width);
      simd.exp(row, row, width);
      simd.add(sum, row, sum, width);
    }
    for (int64_t i = 0; i < n; ++i) simd.div(y + i * inner + at, sum, y + i * inner + at, width);
  }
}

// Rows of a few elements: a tile of them is turned so that they become columns.
void softmax_short_rows(const float* x, float* y, int64_t rows, int64_t n) {
  constexpr int64_t kTile = 64;
  const simd::Kernels& simd = simd::kernels();
  float tile[kShortRow * kTile];
  for (int64_t row = 0; row < rows; row += kTile) {
    const int64_t count = std::min(kTile, rows - row);
    simd.transpose(x + row * n, n, tile, count, count, n);
    softmax_columns(tile, tile, n, count);
    simd.transpose(tile, count, y + row * n, n, n, count);
  }
}

std::optional<KernelChoice> softmax(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Shape& shape = request.input_shape(0);
  if (shape.rank() == 0 || shape.element_count() == 0) return std::nullopt;
  const bool one_axis = request.node.opset >= 13;
  const size_t axis = shape.normalize_axis(request.node.attr_int("axis", one_axis ? -1 : 1));
  const int64_t outer = shape.span_count(0, axis);
  const int64_t n = one_axis ? shape[axis] : shape.span_count(axis, shape.rank());
  const int64_t inner = one_axis ? shape.span_count(axis + 1, shape.rank()) : 1;
  KernelChoice choice;
  choice.input_layouts = {Layout{}};
  choice.output_layouts = {Layout{}};
  choice.kernel = make_kernel([outer, n, inner](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    auto* y = static_cast<float*>(args.out[0]);
    if (inner == 1 && n <= kShortRow) return softmax_short_rows(x, y, outer, n);
    for (int64_t o = 0; o < outer; ++o, x += n * inner, y += n * inner) {
      if (inner == 1) softmax_row(x, y, n);
      else softmax_columns(x, y, n, inner);
    }
  });
  return choice;
}

}  // namespace

void register_softmax(Registry& registry) { registry.add("Softmax", softmax); }

}  // namespace qtool::exec
