// Hot inner loops over 8-bit codes, code = level - lowest level, one table for each instruction set.
//
// All of them do the float operations of simd.h in the same order (correctly rounded, nothing contracted), so a value
// that goes through codes equals the value carried in float to the bit.
#pragma once

#include <cstdint>

namespace qtool::simd {

// The grid of a code: real = scale * (code + lowest).
struct CodeGrid {
  float scale = 1.0f;
  float lowest = 0.0f, highest = 0.0f;  // levels, highest - lowest <= 255
};

// From the sums of a product of codes to real values, by output channel:
//   exact  = sums[c] + correction[c] + shift_of_weights[c] * window_sum     (32-bit integers, exact)
//   real   = clamp(float(exact) * scale[c] + bias[c], clip_lo, clip_hi)
// `exact` is below 2^24 in magnitude.
struct ProductChannels {
  const int32_t* correction = nullptr;
  const int32_t* weight_shift = nullptr;   // nullptr: no window sums
  const float* scale = nullptr;
  const float* bias = nullptr;
  float clip_lo = 0.0f, clip_hi = 0.0f;    // infinite where nothing is clipped
};

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kMax, kMin };

struct CodeKernels {
  // Codes of values, on the grid or not: round_half_even(x / scale) clamped to the grid.
  void (*encode)(const float* x, uint8_t* y, int64_t n, CodeGrid grid);
  void (*decode)(const uint8_t* x, float* y, int64_t n, CodeGrid grid);
  // y = table[x]; x may equal y. 256 entries.
  void (*lookup)(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table);
  // Channels-last sums [pixels][channels] to codes of `grid` or to floats of the same shape. window_sums: one for each
  // pixel (window_stride 0) or one for each pixel and channel (window_stride 1); read only with weight_shift.
  void (*sums_to_codes)(const int32_t* sums, const int32_t* window_sums, int64_t window_stride, int64_t pixels,
                        int64_t channels, const ProductChannels& product, CodeGrid grid, uint8_t* y);
  void (*sums_to_floats)(const int32_t* sums, const int32_t* window_sums, int64_t window_stride, int64_t pixels,
                         int64_t channels, const ProductChannels& product, float* y);
  // y = encode(clamp(op(decode(a), decode(b)), clip_lo, clip_hi)).
  void (*binary)(BinaryOp op, const uint8_t* a, CodeGrid a_grid, const uint8_t* b, CodeGrid b_grid, int64_t n,
                 float clip_lo, float clip_hi, CodeGrid y_grid, uint8_t* y);
};

// For the instruction set of kernels().
[[nodiscard]] const CodeKernels& code_kernels();

}  // namespace qtool::simd
