// Dense float products for code outside the executor, on the calling thread alone.
#pragma once

#include <cstdint>

namespace qtool::exec {

enum class Transposed : uint8_t { kNo, kYes };

// One row-major operand: `data` as stored, rows `stride` elements apart; read transposed when asked.
struct MatrixOperand {
  const float* data = nullptr;
  int64_t stride = 0;
  Transposed transposed = Transposed::kNo;
};

// c[m x n] = a[m x k] * b[k x n] + beta * c, rows of c `c_stride` elements apart. beta is 0 or 1; with 0 the old content
// of c is not read. The order of summation depends on the shape and the processor only. Throws Error(kInternal) when the
// library refuses the sizes.
void matrix_product(int64_t m, int64_t n, int64_t k, const MatrixOperand& a, const MatrixOperand& b, float beta, float* c,
                    int64_t c_stride);

}  // namespace qtool::exec
