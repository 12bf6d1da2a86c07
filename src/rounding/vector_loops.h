// The two inner loops of the solver, compiled for several instruction sets. Lanes and elements are independent and no
// multiply-add is contracted, so every set gives the same bits.
#pragma once

#include <cstdint>

namespace qtool::rounding {

inline constexpr int64_t kLanes = 16;  // channels rounded side by side

// y += a * x.
void add_scaled(float* y, float a, const float* x, int64_t n);
// sums[l] = sum over j of row[j] * values[j][l], j ascending; values [n][kLanes].
void lane_products(const float* row, const float* values, int64_t n, float* sums);

}  // namespace qtool::rounding
