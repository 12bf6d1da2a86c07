#include "qtool/quant/quantize.h"

#include <algorithm>
#include <cmath>

#include "qtool/quant/round_even.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

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

// quantize_level() of elements that share a grid, without a call for each.
void quantize_run(std::span<const float> x, const Grid& grid, int64_t lowest, int64_t highest, int64_t* levels) {
  if (is_wide(lowest, highest) || lowest > 0 || highest < 0) {
    for (size_t i = 0; i < x.size(); ++i) levels[i] = quantize_level(x[i], grid, lowest, highest);
    return;
  }
  const auto scale = static_cast<float>(grid.scale);
  const auto lo = static_cast<double>(lowest), hi = static_cast<double>(highest);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto ratio = static_cast<double>(x[i] / scale);
    double level = ratio > lo ? ratio : lo;  // bounds are integers, so clamping may come before rounding
    level = round_half_even(level < hi ? level : hi);
    level = x[i] == x[i] ? level : 0.0;
    levels[i] = static_cast<int32_t>(level);
  }
}

}  // namespace

int64_t quantize_level(float x, const Grid& grid, int64_t lowest, int64_t highest) {
  if (std::isnan(x)) return 0;
  const double ratio = is_wide(lowest, highest) ? static_cast<double>(x) / grid.scale : static_cast<double>(x / static_cast<float>(grid.scale));
  const double level = std::nearbyint(ratio);
  return static_cast<int64_t>(std::clamp(level, static_cast<double>(lowest), static_cast<double>(highest)));
}

std::vector<int64_t> quantize_levels(const Tensor& tensor, const Encoding& encoding) {
  check_channels(tensor, encoding);
  const auto source = tensor.data<float>();
  std::vector<int64_t> levels(source.size());
  for_each_grid_run(tensor.shape(), encoding.layout(), [&](int64_t first, int64_t count, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    quantize_run(source.subspan(static_cast<size_t>(first), static_cast<size_t>(count)), encoding.grids[channel],
                 encoding.lowest_level(channel), encoding.highest_level(channel), levels.data() + first);
  });
  return levels;
}

Tensor fake_quantize(const Tensor& tensor, const Encoding& encoding) {
  check_channels(tensor, encoding);
  const auto source = tensor.data<float>();
  Tensor result(DType::kFloat32, tensor.shape());
  auto target = result.mutable_data<float>();
  int64_t levels[kChunk];  // all of them at once would take twice the tensor's memory
  for_each_grid_run(tensor.shape(), encoding.layout(), [&](int64_t first, int64_t count, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    const Grid& grid = encoding.grids[channel];
    const auto scale = static_cast<float>(grid.scale);
    const int64_t lowest = encoding.lowest_level(channel), highest = encoding.highest_level(channel);
    for (auto i = static_cast<size_t>(first), end = static_cast<size_t>(first + count); i < end; i += kChunk) {
      const std::span<const float> chunk = source.subspan(i, std::min(kChunk, end - i));
      quantize_run(chunk, grid, lowest, highest, levels);
      for (size_t k = 0; k < chunk.size(); ++k) target[i + k] = static_cast<float>(levels[k]) * scale;
    }
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
  std::vector<Range> ranges(count);
  std::vector<bool> seen(count, false);
  for_each_grid_element(tensor.shape(), layout, [&](int64_t i, int64_t c) {
    const double x = source[static_cast<size_t>(i)];
    if (!std::isfinite(x)) throw Error(ErrorCode::kInvalidData, format("the tensor holds {}", x));
    const auto channel = static_cast<size_t>(c);
    if (!seen[channel]) ranges[channel] = {x, x};
    seen[channel] = true;
    ranges[channel].include({x, x});
  });
  return ranges;
}

}  // namespace qtool::quant
