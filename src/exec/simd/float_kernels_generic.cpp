#define QTOOL_SIMD_NAMESPACE generic
#define QTOOL_SIMD_BLOCK 8
#include "simd/float_kernels.inc"
