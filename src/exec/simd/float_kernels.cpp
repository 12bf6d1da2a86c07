#include "simd/float_kernels.h"

#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace generic { extern const FloatKernels kFloatKernels; }
#if defined(__x86_64__)
namespace avx2 { extern const FloatKernels kFloatKernels; }
namespace avx512 { extern const FloatKernels kFloatKernels; }
#endif

const FloatKernels& float_kernels() {
#if defined(__x86_64__)
  switch (simd::kernels().isa) {
    case simd::Isa::kAvx512: return avx512::kFloatKernels;
    case simd::Isa::kAvx2: return avx2::kFloatKernels;
    case simd::Isa::kGeneric: break;
  }
#endif
  return generic::kFloatKernels;
}

}  // namespace qtool::exec
