#define QTOOL_SIMD_NAMESPACE generic
#define QTOOL_SIMD_BYTES 16
#define QTOOL_SIMD_ISA Isa::kGeneric
#include "simd/kernels.inc"
