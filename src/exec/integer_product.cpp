#include "integer_product.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

constexpr double kExactLimit = 16777216.0;  // 2^24: integers below are exact in float32

// Largest |sum| of digits in [lo, hi] times weights whose positive parts add up to p and negative parts to n.
double worst_sum(double p, double n, double lo, double hi) {
  return std::max(p * hi - n * std::min(lo, 0.0), n * hi - p * std::min(lo, 0.0));
}

bool sums_stay_exact(const std::vector<double>& positive, const std::vector<double>& negative, double lo, double hi) {
  for (size_t c = 0; c < positive.size(); ++c) {
    if (worst_sum(positive[c], negative[c], lo, hi) > kExactLimit) return false;
  }
  return true;
}

}  // namespace

std::optional<DigitPlan> plan_digits(const quant::Encoding& activation, const Tensor& weight_levels, int64_t channel_axis) {
  const auto channels = static_cast<size_t>(weight_levels.shape()[static_cast<size_t>(channel_axis)]);
  std::vector<double> positive(channels, 0.0), negative(channels, 0.0);
  const auto levels = weight_levels.data<float>();
  const quant::GridLayout by_channel{.channel_axis = static_cast<int>(channel_axis)};
  quant::for_each_grid_run(weight_levels.shape(), by_channel, [&](int64_t first, int64_t count, int64_t c) {
    constexpr int64_t kLanes = 8;  // integers: any order gives the same sum
    std::array<double, kLanes> above{}, below{};
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t lanes = std::min(kLanes, count - i);
      for (int64_t l = 0; l < lanes; ++l) {
        const double level = levels[static_cast<size_t>(first + i + l)];
        above[static_cast<size_t>(l)] += std::max(level, 0.0);
        below[static_cast<size_t>(l)] += std::max(-level, 0.0);
      }
    }
    positive[static_cast<size_t>(c)] += std::accumulate(above.begin(), above.end(), 0.0);
    negative[static_cast<size_t>(c)] += std::accumulate(below.begin(), below.end(), 0.0);
  });
  const auto lo = static_cast<double>(activation.lowest_level()), hi = static_cast<double>(activation.highest_level());
  DigitPlan plan{.scale = static_cast<float>(activation.grids[0].scale),
                 .lowest = static_cast<float>(lo), .highest = static_cast<float>(hi)};
  for (int digits = 1; digits <= 3; ++digits) {
    plan.digits = digits;
    plan.shift = digits == 1 ? 0 : (activation.bits + digits - 1) / digits;
    const double base = std::ldexp(1.0, plan.shift);
    const double top = std::pow(base, digits - 1);
    const bool low_fits = digits == 1 || sums_stay_exact(positive, negative, 0.0, base - 1.0);
    if (low_fits && sums_stay_exact(positive, negative, std::floor(lo / top), std::floor(hi / top))) return plan;
  }
  return std::nullopt;
}

void extract_digit(const DigitPlan& plan, int digit, const float* x, float* y, int64_t count) {
  simd::kernels().to_levels(x, y, count, plan.scale, plan.lowest, plan.highest);
  if (plan.digits == 1) return;
  const float base = std::ldexp(1.0f, plan.shift), inverse = 1.0f / base;
  for (int d = 0; d < digit; ++d) {
    for (int64_t i = 0; i < count; ++i) y[i] = std::floor(y[i] * inverse);
  }
  if (digit + 1 == plan.digits) return;
  for (int64_t i = 0; i < count; ++i) y[i] -= std::floor(y[i] * inverse) * base;
}

std::vector<float> product_scales(const quant::Encoding& activation, const quant::Encoding& weight, int64_t channels) {
  std::vector<float> scales;
  for (int64_t c = 0; c < channels; ++c) {
    const quant::Grid& grid = weight.grids[weight.per_channel() ? static_cast<size_t>(c) : 0];
    scales.push_back(static_cast<float>(activation.grids[0].scale) * static_cast<float>(grid.scale));
  }
  return scales;
}

}  // namespace qtool::exec
