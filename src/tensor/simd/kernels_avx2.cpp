#define QTOOL_SIMD_NAMESPACE avx2
#define QTOOL_SIMD_BYTES 32
#define QTOOL_SIMD_ISA Isa::kAvx2
#if defined(__x86_64__)
#include "simd/kernels.inc"
#endif
