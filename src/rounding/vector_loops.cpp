#include "vector_loops.h"

#include <bit>

#include "qtool/tensor/half.h"

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
  // Four sums side by side: one alone would wait for its last addition.
  float first[kLanes] = {}, second[kLanes] = {}, third[kLanes] = {}, fourth[kLanes] = {};
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    const float* v = values + j * kLanes;
    for (int64_t l = 0; l < kLanes; ++l) {
      first[l] += row[j] * v[l];
      second[l] += row[j + 1] * v[kLanes + l];
      third[l] += row[j + 2] * v[2 * kLanes + l];
      fourth[l] += row[j + 3] * v[3 * kLanes + l];
    }
  }
  for (; j < n; ++j) {
    for (int64_t l = 0; l < kLanes; ++l) first[l] += row[j] * values[j * kLanes + l];
  }
  for (int64_t l = 0; l < kLanes; ++l) sums[l] = (first[l] + second[l]) + (third[l] + fourth[l]);
}

QTOOL_CLONES void to_brief(const float* __restrict x, const float* __restrict base, uint16_t* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = BFloat16(base == nullptr ? x[i] : x[i] - base[i]).bits;
}

QTOOL_CLONES void from_brief(const uint16_t* __restrict y, const float* __restrict base, float* __restrict x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(y[i]) << 16);
    x[i] = base == nullptr ? value : value + base[i];
  }
}

}  // namespace qtool::rounding
