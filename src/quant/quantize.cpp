#include "qtool/quant/quantize.h"

#include <algorithm>
#include <cmath>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::quant {

namespace {

void check_channels(const Tensor& tensor, const Encoding& encoding) {
  const size_t expected =
      encoding.per_channel() ? static_cast<size_t>(tensor.shape()[static_cast<size_t>(encoding.channel_axis)]) : 1;
  if (encoding.grids.size() != expected) {
    throw Error(ErrorCode::kInvalidModel, format("{} scales for a tensor of shape {}; expected {}",
                                                 encoding.grids.size(), tensor.shape().text(), expected));
  }
}

}  // namespace

int64_t quantize_level(float x, const Grid& grid, int64_t lowest, int64_t highest) {
  if (std::isnan(x)) return 0;
  // Levels of wide grids (int32 biases) do not fit float32.
  const bool wide = highest - lowest > (int64_t{1} << 22);
  const double ratio = wide ? static_cast<double>(x) / grid.scale : static_cast<double>(x / static_cast<float>(grid.scale));
  const double level = std::nearbyint(ratio);
  return static_cast<int64_t>(std::clamp(level, static_cast<double>(lowest), static_cast<double>(highest)));
}

std::vector<int64_t> quantize_levels(const Tensor& tensor, const Encoding& encoding) {
  check_channels(tensor, encoding);
  const auto source = tensor.data<float>();
  std::vector<int64_t> levels(source.size());
  for_each_channel_element(tensor.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
    const auto channel = static_cast<size_t>(c);
    levels[static_cast<size_t>(i)] =
        quantize_level(source[static_cast<size_t>(i)], encoding.grids[channel], encoding.lowest_level(channel),
                       encoding.highest_level(channel));
  });
  return levels;
}

Tensor fake_quantize(const Tensor& tensor, const Encoding& encoding) {
  const std::vector<int64_t> levels = quantize_levels(tensor, encoding);
  Tensor result(DType::kFloat32, tensor.shape());
  auto target = result.mutable_data<float>();
  for_each_channel_element(tensor.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
    target[static_cast<size_t>(i)] = static_cast<float>(levels[static_cast<size_t>(i)]) *
                                     static_cast<float>(encoding.grids[static_cast<size_t>(c)].scale);
  });
  return result;
}

QuantizationError quantization_error(const Tensor& tensor, const Encoding& encoding) {
  check_channels(tensor, encoding);
  const auto source = tensor.data<float>();
  QuantizationError error;
  for_each_channel_element(tensor.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
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

std::vector<Range> tensor_ranges(const Tensor& tensor, int channel_axis) {
  const auto source = tensor.data<float>();
  const size_t count = channel_axis < 0 ? 1 : static_cast<size_t>(tensor.shape()[static_cast<size_t>(channel_axis)]);
  std::vector<Range> ranges(count);
  std::vector<bool> seen(count, false);
  for_each_channel_element(tensor.shape(), channel_axis, [&](int64_t i, int64_t c) {
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
