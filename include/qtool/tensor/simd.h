// Hot inner loops, compiled once for each instruction set and chosen at run time.
//
// The same source (src/tensor/simd/kernels.inc) is built for plain x86-64 or aarch64, AVX2 and AVX-512. Operations
// that decide integers (fake_quantize, to_levels, dequantized epilogues) use only correctly rounded operations in a
// fixed order, so they give the same bits everywhere; transcendental functions agree to a few ulp.
#pragma once

#include <cstdint>
#include <string_view>

namespace qtool::simd {

enum class Isa : uint8_t { kGeneric, kAvx2, kAvx512 };

struct Kernels {
  Isa isa;

  // Running bounds of finite values; returns the number of non-finite values (they are left out). n may be 0.
  int64_t (*min_max)(const float* x, int64_t n, float* lo, float* hi);
  // y = scale * clamp(round_half_even(x / scale), lowest, highest); x may equal y. |lowest|, |highest| < 2^22.
  void (*fake_quantize)(const float* x, float* y, int64_t n, float scale, float lowest, float highest);
  // The level itself instead of scale * level.
  void (*to_levels)(const float* x, float* y, int64_t n, float scale, float lowest, float highest);
  // counts[floor(x * inverse_width) - first_bin]++ ; every x must be finite and in range. 4 x bins table of u32.
  void (*histogram)(const float* x, int64_t n, float inverse_width, int64_t first_bin, uint32_t* tables, int64_t bins);
  // By lane of a rows x lanes array: running bounds, and sum and sum of squares added to `sum` and `squares`. Bounds mean
  // nothing where a value is not finite; the sum of squares tells (it is not finite either).
  void (*lane_moments)(const float* x, int64_t rows, int64_t lanes, float* lo, float* hi, double* sum, double* squares);

  // Element-wise functions; x may equal y.
  void (*relu)(const float* x, float* y, int64_t n);
  void (*clip)(const float* x, float* y, int64_t n, float lo, float hi);
  void (*leaky_relu)(const float* x, float* y, int64_t n, float slope);
  void (*sigmoid)(const float* x, float* y, int64_t n);
  void (*silu)(const float* x, float* gate, float* y, int64_t n);  // gate = sigmoid(x), may be null; y = x * gate
  void (*tanh)(const float* x, float* y, int64_t n);
  void (*exp)(const float* x, float* y, int64_t n);
  void (*erf)(const float* x, float* y, int64_t n);
  void (*gelu)(const float* x, float* y, int64_t n);               // exact (erf) form
  void (*hard_sigmoid)(const float* x, float* y, int64_t n, float alpha, float beta);
  void (*hard_swish)(const float* x, float* y, int64_t n);
  void (*sqrt)(const float* x, float* y, int64_t n);

  // Binary on arrays of equal length; y may equal a or b.
  void (*add)(const float* a, const float* b, float* y, int64_t n);
  void (*sub)(const float* a, const float* b, float* y, int64_t n);
  void (*mul)(const float* a, const float* b, float* y, int64_t n);
  void (*div)(const float* a, const float* b, float* y, int64_t n);
  void (*max)(const float* a, const float* b, float* y, int64_t n);
  void (*min)(const float* a, const float* b, float* y, int64_t n);
  // y = scale * x + shift with scalar constants (two roundings).
  void (*affine)(const float* x, float* y, int64_t n, float scale, float shift);
  // rows x lanes: y[r][l] = x[r][l] * scale[l] + shift[l]; lanes is small (a channel block) or long.
  void (*affine_lanes)(const float* x, float* y, int64_t rows, int64_t lanes, const float* scale, const float* shift);

  // y = a + (b - a) * weight; y may equal a or b.
  void (*lerp)(const float* a, const float* b, float* y, int64_t n, float weight);
  // y[c][r] = x[r][c] for rows x columns elements; strides are in floats. x and y must not overlap.
  void (*transpose)(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows, int64_t columns);
  // sums[0] = sum of x, sums[1] = sum of squares, in double and in the same order in every set.
  void (*moments)(const float* x, int64_t n, double* sums);
  // y = (x - mean) * factor * scale[i] + bias[i]; bias may be null; y may equal x.
  void (*normalize)(const float* x, float* y, int64_t n, float mean, float factor, const float* scale, const float* bias);
  // y = (x - mean) * scale + shift; y may equal x.
  void (*center_scale)(const float* x, float* y, int64_t n, float mean, float scale, float shift);

  // Row reductions in a fixed order.
  float (*row_max)(const float* x, int64_t n);
  // For y = x * before * factors * after, none negative: bounds[i] becomes max(bounds[i], y[i]). Returns the largest y, 0 of none.
  float (*scaled_max)(const float* x, float before, const float* factors, float after, float* bounds, int64_t n);
  // y = exp(x - shift), returns the sum.
  float (*exp_sum)(const float* x, float* y, int64_t n, float shift);
};

// Best set this CPU runs, or the pinned one.
[[nodiscard]] const Kernels& kernels();
// Throws Error(kUsage) when the CPU cannot run it or the name is unknown. "auto" returns to detection.
void pin_isa(std::string_view name);
[[nodiscard]] Isa best_isa();
[[nodiscard]] std::string_view isa_name(Isa isa);

}  // namespace qtool::simd
