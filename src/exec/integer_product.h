// Exact integer products through floating point (simulation).
//
// A convolution or matrix product of integer levels is computed by the float engine on integer-valued floats. All
// products and partial sums are integers; while they stay below 2^24 in magnitude they are exact, whatever the order,
// the instruction set or the number of threads. Where the static bound fails (16-bit activations, very long rows) the
// levels are split into digits, level = sum digit_i * 2^(shift * i), and the exact partial sums are added in double.
#pragma once

#include <optional>
#include <vector>

#include "qtool/quant/encoding.h"
#include "qtool/tensor/tensor.h"

namespace qtool::exec {

struct DigitPlan {
  int digits = 1;
  int shift = 0;        // bits per digit except the top one
  float scale = 1.0f;   // activation scale: level = round(x / scale)
  float lowest = 0.0f, highest = 0.0f;
};

// nullopt when even three digits cannot keep a sum of this weight's channels exact.
[[nodiscard]] std::optional<DigitPlan> plan_digits(const quant::Encoding& activation, const Tensor& weight_levels,
                                                   int64_t channel_axis);

// Digit `digit` of every level of x.
void extract_digit(const DigitPlan& plan, int digit, const float* x, float* y, int64_t count);

// Per-output-channel factor scale_x * scale_w[c], one entry a channel.
[[nodiscard]] std::vector<float> product_scales(const quant::Encoding& activation, const quant::Encoding& weight,
                                                int64_t channels);

}  // namespace qtool::exec
