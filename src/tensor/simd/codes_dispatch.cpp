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

const CodeKernels& code_kernels() {
#if defined(__x86_64__)
  static const CodeKernels best = __builtin_cpu_supports("avx512vbmi") ? avx512::vbmi_table() : avx512::kCodeTable;
  if (kernels().isa == Isa::kAvx512) return best;
  if (kernels().isa == Isa::kAvx2) return avx2::kCodeTable;
#endif
  return generic::kCodeTable;
}

}  // namespace qtool::simd
