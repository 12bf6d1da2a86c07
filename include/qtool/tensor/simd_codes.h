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
  // 1 / scale where multiplying by it, with one correction, puts every |x| < 2^62 on the level that division puts it on;
  // 0 where it does not, or where nobody has looked.
  float inverse = 0.0f;
};

inline constexpr int64_t kPeriodUnit = 64;

// With `inverse` set where it is allowed: tried on the floats around every boundary between two levels (further away
// an error of one unit in the last place cannot cross it).
[[nodiscard]] CodeGrid with_inverse(CodeGrid grid);

// From the sums of a product of codes to real values, by output channel:
//   exact  = sums[c] + correction[c] + weight_shift[c] * window_sum     (32-bit integers, exact)
//   real   = clamp(float(exact) * scale[c] + bias[c], clip_lo, clip_hi)
// `exact` is below 2^24 in magnitude, `real` below 2^62.
// The arrays hold the channels repeated to a multiple of 64, `period` entries: without window sums an image is one long
// row, whatever its number of channels.
struct ProductChannels {
  int64_t period = 0;
  const int32_t* correction = nullptr;
  const int32_t* weight_shift = nullptr;   // nullptr: no window sums
  const float* scale = nullptr;
  const float* bias = nullptr;
  float clip_lo = 0.0f, clip_hi = 0.0f;    // infinite where nothing is clipped
};

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kMax, kMin };

struct CodeKernels {
  // Codes of values, on the grid or not: round_half_even(x / scale) clamped to the grid.
  void (*encode)(const float* x, uint8_t* y, int64_t n, const CodeGrid& grid);
  // The same for three planes of floats, into pixels of three codes: an image as models take it.
  void (*encode_three)(const float* x, int64_t plane_stride, uint8_t* y, int64_t pixels, const CodeGrid& grid);
  void (*decode)(const uint8_t* x, float* y, int64_t n, const CodeGrid& grid);
  // target[column * target_stride + row] = source[row * source_stride + column].
  void (*transpose)(const uint8_t* source, int64_t rows, int64_t columns, int64_t source_stride, uint8_t* target,
                    int64_t target_stride);
  // y = table[x]; x may equal y. 256 entries.
  void (*lookup)(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table);
  // rows x run bytes between strided rows, through a table or as they are (nullptr).
  void (*move_rows)(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride, int64_t rows, int64_t run,
                    const uint8_t* table);
  // sums[r] = sum of the `run` bytes of row r.
  void (*row_sums)(const uint8_t* x, int64_t rows, int64_t run, int32_t* sums);
  // Channels-last sums [pixels][channels] to codes of `grid` or to floats of the same shape. window_sums: one for each
  // pixel (window_stride 0) or one for each pixel and channel (window_stride 1); read only with weight_shift.
  void (*sums_to_codes)(const int32_t* sums, const int32_t* window_sums, int64_t window_stride, int64_t pixels,
                        int64_t channels, const ProductChannels& product, const CodeGrid& grid, uint8_t* y);
  void (*sums_to_floats)(const int32_t* sums, const int32_t* window_sums, int64_t window_stride, int64_t pixels,
                         int64_t channels, const ProductChannels& product, float* y);
  // y = encode(clamp(op(decode(a), decode(b)), clip_lo, clip_hi)).
  void (*binary)(BinaryOp op, const uint8_t* a, const CodeGrid& a_grid, const uint8_t* b, const CodeGrid& b_grid, int64_t n,
                 float clip_lo, float clip_hi, const CodeGrid& y_grid, uint8_t* y);
};

// For the instruction set of kernels().
[[nodiscard]] const CodeKernels& code_kernels();

}  // namespace qtool::simd
