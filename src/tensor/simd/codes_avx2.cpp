#define QTOOL_SIMD_NAMESPACE avx2
#define QTOOL_SIMD_BYTES 32
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/codes.inc"
#endif
