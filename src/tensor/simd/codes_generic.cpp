#define QTOOL_SIMD_NAMESPACE generic
#define QTOOL_SIMD_BYTES 16
#include "simd/codes.inc"
