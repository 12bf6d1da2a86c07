// Transpose, DepthToSpace and SpaceToDepth of plain float tensors: dimensions that stay together are merged, the rest is
// copied in cache tiles.
#include <algorithm>
#include <cstring>

#include "qtool/exec/registry.h"
#include "qtool/ops/axis_permutation.h"
#include "qtool/tensor/permutation.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

struct Permutation {
  std::vector<int64_t> dims;     // target order, merged
  std::vector<int64_t> strides;  // source stride of each target dimension
};

Permutation merged(const AxisPermutation& written) {
  const ReducedPermutation reduced = reduce_permutation(written);
  return {permuted_dims(reduced.dims, reduced.perm), permuted_dims(Shape(reduced.dims).strides(), reduced.perm)};
}

// rows x columns of the innermost two target dimensions.
void copy_tile(const float* source, float* target, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  constexpr int64_t kTile = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(r0 + kTile, rows);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t c1 = std::min(c0 + kTile, columns);
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) target[r * columns + c] = source[r * row_stride + c * column_stride];
      }
    }
  }
}

void permute(const Permutation& p, const float* source, float* target) {
  const size_t rank = p.dims.size();
  const int64_t columns = p.dims[rank - 1], column_stride = p.strides[rank - 1];
  const int64_t rows = rank >= 2 ? p.dims[rank - 2] : 1, row_stride = rank >= 2 ? p.strides[rank - 2] : 0;
  int64_t outer = 1;
  for (size_t d = 0; d + 2 < rank; ++d) outer *= p.dims[d];
  std::vector<int64_t> at(rank, 0);
  int64_t offset = 0;
  for (int64_t o = 0; o < outer; ++o, target += rows * columns) {
    if (column_stride == 1) {
      for (int64_t r = 0; r < rows; ++r) {
        std::memcpy(target + r * columns, source + offset + r * row_stride, static_cast<size_t>(columns) * sizeof(float));
      }
    } else if (row_stride == 1) {
      simd::kernels().transpose(source + offset, column_stride, target, columns, columns, rows);
    } else {
      copy_tile(source + offset, target, rows, columns, row_stride, column_stride);
    }
    for (size_t d = rank >= 2 ? rank - 2 : 0; d-- > 0;) {
      offset += p.strides[d];
      if (++at[d] < p.dims[d]) break;
      offset -= p.strides[d] * p.dims[d];
      at[d] = 0;
    }
  }
}

std::optional<KernelChoice> transpose(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Permutation permutation = merged(*ops::axis_permutation(request.node, request.input_shape(0)));
  KernelChoice choice;
  choice.input_layouts = {Layout{}};
  choice.output_layouts = {Layout{}};
  if (permutation.dims.size() <= 1) {  // nothing moves
    choice.output_views = {KernelChoice::View{0, 0}};
    return choice;
  }
  choice.kernel = make_kernel([permutation, empty = request.input_shape(0).element_count() == 0](const KernelArgs& args) {
    if (!empty) permute(permutation, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]));
  });
  return choice;
}

}  // namespace

void register_transpose(Registry& registry) {
  for (const char* op : {"Transpose", "DepthToSpace", "SpaceToDepth"}) registry.add(op, transpose);
}

}  // namespace qtool::exec
