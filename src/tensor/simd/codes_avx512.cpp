#define QTOOL_SIMD_NAMESPACE avx512
#define QTOOL_SIMD_BYTES 64
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/codes.inc"

namespace qtool::simd::avx512 {
namespace {

// A table of 256 bytes is four registers; a lookup is two permutations of two registers each and a choice.
#define QTOOL_VBMI __attribute__((target("avx512vbmi")))

struct Table {
  __m512i part[4];
};
QTOOL_VBMI inline __attribute__((always_inline)) Table load_table(const uint8_t* table) {
  return {{_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64), _mm512_loadu_si512(table + 128), _mm512_loadu_si512(table + 192)}};
}
QTOOL_VBMI inline __attribute__((always_inline)) void look_up(const Table& t, const uint8_t* x, uint8_t* y, int64_t n) {
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 live = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i codes = _mm512_maskz_loadu_epi8(live, x + i);
    const __m512i low = _mm512_permutex2var_epi8(t.part[0], codes, t.part[1]);
    const __m512i high = _mm512_permutex2var_epi8(t.part[2], codes, t.part[3]);
    _mm512_mask_storeu_epi8(y + i, live, _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high));
  }
}

QTOOL_VBMI void lookup_in_registers(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table) {
  look_up(load_table(table), x, y, n);
}

QTOOL_VBMI void move_rows_in_registers(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride, int64_t rows,
                                       int64_t run, const uint8_t* table) {
  if (table == nullptr) return copy_rows(x, x_stride, y, y_stride, rows, run);
  const Table t = load_table(table);
  if (x_stride == run && (run == 16 || run == 32)) {  // several short rows in one go
    const int64_t at_once = 64 / run;
    for (; rows >= at_once; rows -= at_once, x += 64, y += at_once * y_stride) {
      uint8_t found[64];
      look_up(t, x, found, 64);
      for (int64_t i = 0; i < 4; ++i) __builtin_memcpy(y + i * 16 / run * y_stride + i * 16 % run, found + i * 16, 16);
    }
  }
  for (int64_t r = 0; r < rows; ++r) look_up(t, x + r * x_stride, y + r * y_stride, run);
}

}  // namespace

CodeKernels vbmi_table();
CodeKernels vbmi_table() {
  CodeKernels table = kCodeTable;
  table.lookup = lookup_in_registers;
  table.move_rows = move_rows_in_registers;
  return table;
}

}  // namespace qtool::simd::avx512
#endif
