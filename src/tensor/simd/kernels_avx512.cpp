#define QTOOL_SIMD_NAMESPACE avx512
#define QTOOL_SIMD_BYTES 64
#define QTOOL_SIMD_ISA Isa::kAvx512
#if defined(__x86_64__)
#include "simd/kernels.inc"
#endif
