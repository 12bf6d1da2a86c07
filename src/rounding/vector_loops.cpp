#include "vector_loops.h"

// Function multiversioning needs resolvers at load time, which the sanitizers do not survive.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QTOOL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QTOOL_CLONES
#endif

namespace qtool::rounding {

QTOOL_CLONES void add_scaled(float* __restrict y, float a, const float* __restrict x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

QTOOL_CLONES void lane_products(const float* __restrict row, const float* __restrict values, int64_t n, float* __restrict sums) {
  float total[kLanes] = {};
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t l = 0; l < kLanes; ++l) total[l] += row[j] * values[j * kLanes + l];
  }
  for (int64_t l = 0; l < kLanes; ++l) sums[l] = total[l];
}

}  // namespace qtool::rounding
