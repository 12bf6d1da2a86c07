#include "qtool/quant/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/tensor/simd.h"

namespace qtool::quant {

namespace {

constexpr size_t kChunk = 512;

void check_channels(const Tensor& tensor, const Encoding& encoding) {
  const size_t expected = grid_count(tensor.shape(), encoding.layout());
  if (encoding.grids.size() != expected) {
    throw Error(ErrorCode::kInvalidModel, format("{} scales for a tensor of shape {}; expected {}",
                                                 encoding.grids.size(), tensor.shape().text(), expected));
  }
}

// Levels of wide grids (int32 biases) do not fit float32.
bool is_wide(int64_t lowest, int64_t highest) { return highest - lowest > (int64_t{1} << 22); }

// quantize_level() of elements that share a grid, as floats, without a call for each.
void quantize_run(std::span<const float> x, const Grid& grid, int64_t lowest, int64_t highest, float* levels) {
  if (is_wide(lowest, highest) || lowest > 0 || highest < 0) {
    for (size_t i = 0; i < x.size(); ++i) levels[i] = static_cast<float>(quantize_level(x[i], grid, lowest, highest));
    return;
  }
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction bits, half to even
  const auto scale = static_cast<float>(grid.scale), lo = static_cast<float>(lowest), hi = static_cast<float>(highest);
  for (size_t i = 0; i < x.size(); ++i) {
    float level = x[i] / scale;  // bounds are integers, so clamping may come before rounding
    level = level > lo ? level : lo;
    level = ((level < hi ? level : hi) + kMagic) - kMagic;
    levels[i] = x[i] == x[i] ? level : 0.0f;
  }
}

// fn(first, count, grid, lowest level, highest level) for every run of elements that share a grid.
template <class Fn>
void for_each_run(const Tensor& tensor, const Encoding& encoding, Fn&& fn) {
  check_channels(tensor, encoding);
  for_each_grid_run(tensor.shape(), encoding.layout(), [&](int64_t first, int64_t count, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    fn(static_cast<size_t>(first), static_cast<size_t>(count), encoding.grids[channel], encoding.lowest_level(channel),
       encoding.highest_level(channel));
  });
}

}  // namespace

int64_t quantize_level(float x, const Grid& grid, int64_t lowest, int64_t highest) {
  if (std::isnan(x)) return 0;
  const double ratio = is_wide(lowest, highest) ? static_cast<double>(x) / grid.scale : static_cast<double>(x / static_cast<float>(grid.scale));
  const double level = std::nearbyint(ratio);
  return static_cast<int64_t>(std::clamp(level, static_cast<double>(lowest), static_cast<double>(highest)));
}

std::vector<int64_t> quantize_levels(const Tensor& tensor, const Encoding& encoding) {
  const auto source = tensor.data<float>();
  std::vector<int64_t> levels(source.size());
  float chunk[kChunk];
  for_each_run(tensor, encoding, [&](size_t first, size_t count, const Grid& grid, int64_t lowest, int64_t highest) {
    if (is_wide(lowest, highest)) {
      for (size_t i = first; i < first + count; ++i) levels[i] = quantize_level(source[i], grid, lowest, highest);
      return;
    }
    for (size_t i = first; i < first + count; i += kChunk) {
      const std::span<const float> some = source.subspan(i, std::min(kChunk, first + count - i));
      quantize_run(some, grid, lowest, highest, chunk);
      for (size_t k = 0; k < some.size(); ++k) levels[i + k] = static_cast<int32_t>(chunk[k]);
    }
  });
  return levels;
}

Tensor level_tensor(const Tensor& tensor, const Encoding& encoding) {
  const auto source = tensor.data<float>();
  Tensor result(DType::kFloat32, tensor.shape());
  float* target = result.mutable_data<float>().data();
  for_each_run(tensor, encoding, [&](size_t first, size_t count, const Grid& grid, int64_t lowest, int64_t highest) {
    quantize_run(source.subspan(first, count), grid, lowest, highest, target + first);
  });
  return result;
}

Tensor fake_quantize(const Tensor& tensor, const Encoding& encoding) {
  Tensor result = level_tensor(tensor, encoding);
  float* values = result.mutable_data<float>().data();
  for_each_run(tensor, encoding, [&](size_t first, size_t count, const Grid& grid, int64_t, int64_t) {
    const auto scale = static_cast<float>(grid.scale);
    for (size_t i = first; i < first + count; ++i) values[i] *= scale;
  });
  return result;
}

QuantizationError quantization_error(const Tensor& tensor, const Encoding& encoding) {
  check_channels(tensor, encoding);
  const auto source = tensor.data<float>();
  QuantizationError error;
  for_each_grid_element(tensor.shape(), encoding.layout(), [&](int64_t i, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    const Grid& grid = encoding.grids[channel];
    const double x = source[static_cast<size_t>(i)];
    const int64_t level = quantize_level(source[static_cast<size_t>(i)], grid, encoding.lowest_level(channel),
                                         encoding.highest_level(channel));
    const double difference = x - grid.scale * static_cast<double>(level);
    error.signal_power += x * x;
    error.noise_power += difference * difference;
    // A hair above half a level: float rounding of an unclipped value must not count.
    if (std::abs(difference) > 0.5001 * grid.scale) ++error.clipped;
  });
  return error;
}

size_t grid_count(const Shape& shape, const GridLayout& layout) {
  const auto extent = [&](int axis) {
    if (axis >= static_cast<int>(shape.rank())) {
      throw Error(ErrorCode::kInvalidModel, format("no axis {} in a tensor of shape {}", axis, shape.text()));
    }
    return shape[static_cast<size_t>(axis)];
  };
  if (layout.channel_axis < 0) return 1;
  const int64_t channels = extent(layout.channel_axis);
  if (!layout.per_block()) return static_cast<size_t>(channels);
  const int64_t blocked = extent(layout.block_axis);
  if (blocked % layout.block_size != 0) {
    throw Error(ErrorCode::kInvalidModel, format("blocks of {} do not divide axis {} of a tensor of shape {}", layout.block_size,
                                                 layout.block_axis, shape.text()));
  }
  return static_cast<size_t>(channels * (blocked / layout.block_size));
}

std::vector<Range> tensor_ranges(const Tensor& tensor, int channel_axis) {
  return tensor_ranges(tensor, GridLayout{.channel_axis = channel_axis});
}

std::vector<Range> tensor_ranges(const Tensor& tensor, const GridLayout& layout) {
  const auto source = tensor.data<float>();
  const size_t count = grid_count(tensor.shape(), layout);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> low(count, kInfinity), high(count, -kInfinity);
  for_each_grid_run(tensor.shape(), layout, [&](int64_t first, int64_t elements, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    const float* run = source.data() + first;
    if (elements == 1 && std::isfinite(*run)) {  // runs of one are common: the last axis by channel
      low[channel] = std::min(low[channel], *run);
      high[channel] = std::max(high[channel], *run);
      return;
    }
    if (simd::kernels().min_max(run, elements, &low[channel], &high[channel]) == 0) return;
    const float bad = *std::find_if(run, run + elements, [](float x) { return !std::isfinite(x); });
    throw Error(ErrorCode::kInvalidData, format("the tensor holds {}", bad));
  });
  std::vector<Range> ranges(count);
  for (size_t c = 0; c < count; ++c) {
    if (low[c] <= high[c]) ranges[c] = {low[c], high[c]};
  }
  return ranges;
}

}  // namespace qtool::quant
