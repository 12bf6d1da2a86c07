#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/tensor/simd.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::simd {

namespace generic { extern const CodeKernels kCodeTable; }
#if defined(__x86_64__)
namespace avx2 { extern const CodeKernels kCodeTable; }
namespace avx512 {
extern const CodeKernels kCodeTable;
CodeKernels vbmi_table();
}
#endif

CodeGrid with_inverse(CodeGrid grid) {
  constexpr int kNeighbours = 4;  // floats on either side of a boundary
  grid.inverse = 0.0f;
  if (!(grid.scale > 0x1p-60f && grid.scale < 0x1p60f)) return grid;
  const float inverse = 1.0f / grid.scale;
  const float none = std::numeric_limits<float>::infinity();
  for (float boundary = grid.lowest - 0.5f; boundary <= grid.highest + 0.5f; boundary += 1.0f) {
    float x = boundary * grid.scale;
    for (int i = 0; i < kNeighbours; ++i) x = std::nextafterf(x, -none);
    for (int i = 0; i <= 2 * kNeighbours; ++i, x = std::nextafterf(x, none)) {
      const float q = x * inverse, corrected = std::fmaf(std::fmaf(-q, grid.scale, x), inverse, q);
      if (std::nearbyintf(corrected) != std::nearbyintf(x / grid.scale)) return grid;
    }
  }
  grid.inverse = inverse;
  return grid;
}

const CodeKernels& code_kernels() {
#if defined(__x86_64__)
  static const CodeKernels best = __builtin_cpu_supports("avx512vbmi") ? avx512::vbmi_table() : avx512::kCodeTable;
  if (kernels().isa == Isa::kAvx512) return best;
  if (kernels().isa == Isa::kAvx2) return avx2::kCodeTable;
#endif
  return generic::kCodeTable;
}

}  // namespace qtool::simd
