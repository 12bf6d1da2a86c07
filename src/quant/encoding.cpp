#include "qtool/quant/encoding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::quant {

namespace {

Grid asymmetric_grid(double lo, double hi, double steps) {
  const double scale = (hi - lo) / steps;
  // Half to even, as the reference helper rounds the offset; the range is shifted, its length kept.
  const double zero_code = std::clamp(std::nearbyint(-lo / scale), 0.0, steps);
  return {scale, -static_cast<int64_t>(zero_code)};
}

Grid symmetric_grid(double lo, double hi, int bits, bool strict) {
  const double half = std::ldexp(1.0, bits - 1);
  const double bound = std::max(std::abs(lo), std::abs(hi));
  return {bound / (half - 1.0), -static_cast<int64_t>(strict ? half - 1.0 : half)};
}

// D = decompressed width, C = width, L = 2^(D-C): s_channel = largest block scale / L, n = clip(round(s_block / s_channel), 1, L).
void round_to_low_power(Encoding& encoding, int decompressed_bits, size_t channels) {
  const int64_t levels = int64_t{1} << (decompressed_bits - encoding.bits);
  const size_t blocks = encoding.grids.size() / channels;
  LowPowerScales scales{.decompressed_bits = decompressed_bits};
  for (size_t c = 0; c < channels; ++c) {
    double largest = 0.0;
    for (size_t k = 0; k < blocks; ++k) largest = std::max(largest, encoding.grids[c * blocks + k].scale);
    const double channel_scale = largest / static_cast<double>(levels);
    scales.channel_scale.push_back(channel_scale);
    for (size_t k = 0; k < blocks; ++k) {
      Grid& grid = encoding.grids[c * blocks + k];
      const int64_t factor = std::clamp<int64_t>(std::llrint(grid.scale / channel_scale), 1, levels);
      scales.block_scale.push_back(factor);
      grid.scale = channel_scale * static_cast<double>(factor);
    }
  }
  encoding.low_power = std::move(scales);
}

// One scale for each channel, whatever the granularity inside a channel.
std::vector<double> channel_scales(const Encoding& weight, size_t channels) {
  if (weight.low_power) return weight.low_power->channel_scale;
  std::vector<double> scales;
  if (!weight.per_block()) channels = weight.grids.size();
  for (size_t c = 0; c < channels; ++c) {
    double largest = 0.0;
    for (const Grid& grid : grids_of_channel(weight, c, channels)) largest = std::max(largest, grid.scale);
    scales.push_back(largest);
  }
  return scales;
}

}  // namespace

void Range::include(const Range& other) {
  lo = std::min(lo, other.lo);
  hi = std::max(hi, other.hi);
}

Grid grid_from_range(const QuantSpec& spec, Range range) {
  if (spec.bits < 2 || spec.bits > 32) {
    throw Error(ErrorCode::kUsage, format("a bit width of {} is not supported; use 2 to 32", spec.bits));
  }
  if (!std::isfinite(range.lo) || !std::isfinite(range.hi)) {
    throw Error(ErrorCode::kInvalidData, format("range [{}, {}] is not finite", range.lo, range.hi));
  }
  const double lo = std::min(0.0, range.lo);
  const double hi = std::max(std::max(0.0, range.hi), lo + spec.min_range);
  const double steps = std::ldexp(1.0, spec.bits) - 1.0;
  switch (spec.symmetry) {
    case Symmetry::kAsymmetric: return asymmetric_grid(lo, hi, steps);
    case Symmetry::kSymmetric: return symmetric_grid(lo, hi, spec.bits, false);
    case Symmetry::kStrictSymmetric: return symmetric_grid(lo, hi, spec.bits, true);
    case Symmetry::kUnsignedSymmetric:
      if (lo >= 0.0) return {hi / steps, 0};
      return symmetric_grid(lo, hi, spec.bits, false);
  }
  return {};
}

Encoding encoding_from_ranges(const QuantSpec& spec, std::span<const Range> ranges, size_t channels) {
  QTOOL_CHECK(!ranges.empty() && (spec.channel_axis >= 0 || ranges.size() == 1));
  Encoding encoding{.bits = spec.bits,
                    .is_symmetric = spec.symmetry != Symmetry::kAsymmetric,
                    .is_strict = spec.symmetry == Symmetry::kStrictSymmetric,
                    .channel_axis = spec.channel_axis};
  encoding.grids.reserve(ranges.size());
  for (const Range& range : ranges) encoding.grids.push_back(grid_from_range(spec, range));
  encoding.block_axis = spec.block_axis;
  encoding.block_size = spec.block_size;
  if (spec.decompressed_bits > 0) {
    QTOOL_CHECK(spec.block_size > 0 && channels > 0 && spec.decompressed_bits > spec.bits);
    round_to_low_power(encoding, spec.decompressed_bits, channels);
  }
  return encoding;
}

Encoding bias_encoding(double input_scale, const Encoding& weight, int64_t value_count, size_t channels) {
  if (channels == 0 && weight.per_block()) channels = static_cast<size_t>(std::max<int64_t>(value_count, 1));
  Encoding encoding{.bits = 32, .is_symmetric = true, .channel_axis = weight.per_channel() ? 0 : -1};
  for (const double weight_scale : channel_scales(weight, channels)) {
    // The device multiplies float32 scales; the product is rounded the same way here.
    const float scale = static_cast<float>(input_scale) * static_cast<float>(weight_scale);
    encoding.grids.push_back({static_cast<double>(scale), -(int64_t{1} << 31)});
  }
  if (value_count == 1 && encoding.grids.size() > 1) {
    encoding.channel_axis = -1;
    encoding.grids = {*std::max_element(encoding.grids.begin(), encoding.grids.end(),
                                        [](const Grid& a, const Grid& b) { return a.scale < b.scale; })};
  }
  return encoding;
}

double sqnr_db(double signal_power, double noise_power) {
  if (noise_power <= 0.0) return std::numeric_limits<double>::infinity();
  if (signal_power <= 0.0) return -std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(signal_power / noise_power);
}

}  // namespace qtool::quant
