#define QTOOL_SIMD_NAMESPACE avx512
#define QTOOL_SIMD_BYTES 64
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/codes.inc"

namespace qtool::simd::avx512 {
namespace {

// A table of 256 bytes is four registers; a lookup is two permutations of two registers each and a choice.
__attribute__((target("avx512vbmi"))) void lookup_in_registers(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 live = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i codes = _mm512_maskz_loadu_epi8(live, x + i);
    const __m512i low = _mm512_permutex2var_epi8(t0, codes, t1), high = _mm512_permutex2var_epi8(t2, codes, t3);
    _mm512_mask_storeu_epi8(y + i, live, _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high));
  }
}

}  // namespace

CodeKernels vbmi_table();
CodeKernels vbmi_table() {
  CodeKernels table = kCodeTable;
  table.lookup = lookup_in_registers;
  return table;
}

}  // namespace qtool::simd::avx512
#endif
