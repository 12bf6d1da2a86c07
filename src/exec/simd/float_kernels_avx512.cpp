#define QTOOL_SIMD_NAMESPACE avx512
#define QTOOL_SIMD_BLOCK 16
#if defined(__x86_64__)
#include "simd/float_kernels.inc"
#endif
