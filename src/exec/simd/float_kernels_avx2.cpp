#define QTOOL_SIMD_NAMESPACE avx2
#define QTOOL_SIMD_BLOCK 8
#if defined(__x86_64__)
#include "simd/float_kernels.inc"
#endif
