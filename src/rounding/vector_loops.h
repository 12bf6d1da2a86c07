// Inner loops of the solver and the walk, compiled for several instruction sets. Lanes and elements are independent and no
// multiply-add is contracted, so every set gives the same bits.
#pragma once

#include <cstdint>

namespace qtool::rounding {

inline constexpr int64_t kLanes = 16;  // channels rounded side by side

// y += a * x.
void add_scaled(float* y, float a, const float* x, int64_t n);
// sums[l] = sum over j of row[j] * values[j][l], in an order that depends on n alone; values [n][kLanes].
void lane_products(const float* row, const float* values, int64_t n, float* sums);


// Activations with 16 bits (bfloat16, to nearest even): y = x - base, and x = y + base; base may be null.
void to_brief(const float* x, const float* base, uint16_t* y, int64_t n);
void from_brief(const uint16_t* y, const float* base, float* x, int64_t n);

}  // namespace qtool::rounding
