#include "qtool/exec/matrix_product.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "threads.h"

namespace qtool::exec {

void matrix_product(int64_t m, int64_t n, int64_t k, const MatrixOperand& a, const MatrixOperand& b, float beta, float* c,
                    int64_t c_stride) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (beta == 0.0f) {
      for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_stride, n, 0.0f);
    }
    return;
  }
  const ThreadScope one_thread(1);
  const auto letter = [](const MatrixOperand& x) { return x.transposed == Transposed::kYes ? 'T' : 'N'; };
  const auto status = dnnl::sgemm(letter(a), letter(b), m, n, k, 1.0f, a.data, a.stride, b.data, b.stride, beta, c, c_stride);
  if (status != dnnl::status::success) {
    throw Error(ErrorCode::kInternal, format("oneDNN refused a product of {} x {} x {}", m, k, n));
  }
}

}  // namespace qtool::exec
