#include "qtool/eval/output_blocks.h"

#include <algorithm>
#include <cmath>

#include "qtool/quant/quantize.h"

namespace qtool::eval {

namespace {

// Rows apart by more than this cannot share one measure.
constexpr double kMagnitudeGap = 20.0;
constexpr int64_t kMostRows = 512;  // longer axes enumerate places, not quantities

std::vector<double> row_peaks(const std::vector<std::vector<Tensor>>& samples, size_t output, size_t axis) {
  std::vector<double> peaks(static_cast<size_t>(samples[0][output].shape()[axis]), 0.0);
  for (const auto& outputs : samples) {
    const auto values = outputs[output].data<float>();
    quant::for_each_channel_element(outputs[output].shape(), static_cast<int>(axis), [&](int64_t i, int64_t row) {
      const double v = std::abs(static_cast<double>(values[static_cast<size_t>(i)]));
      if (std::isfinite(v)) peaks[static_cast<size_t>(row)] = std::max(peaks[static_cast<size_t>(row)], v);
    });
  }
  return peaks;
}

// The axis along which magnitudes fall into a large and a small part, if any: -1 none. `large` tells the rows.
int axis_of_two_kinds(const std::vector<std::vector<Tensor>>& samples, size_t output, std::vector<bool>& large) {
  const Shape& shape = samples[0][output].shape();
  for (size_t axis = 1; shape.rank() >= 3 && axis < shape.rank(); ++axis) {
    if (shape[axis] > kMostRows || shape[axis] < 2) continue;
    const std::vector<double> peaks = row_peaks(samples, output, axis);
    const double top = *std::max_element(peaks.begin(), peaks.end());
    std::vector<bool> is_large;
    for (const double peak : peaks) is_large.push_back(peak * kMagnitudeGap >= top);
    if (std::count(is_large.begin(), is_large.end(), false) == 0) continue;
    large = std::move(is_large);
    return static_cast<int>(axis);
  }
  return -1;
}

}  // namespace

std::vector<OutputBlock> find_output_blocks(const std::vector<std::string>& names,
                                            const std::vector<std::vector<Tensor>>& samples) {
  std::vector<OutputBlock> blocks;
  for (size_t output = 0; output < names.size(); ++output) {
    const bool same_shapes = !samples.empty() && std::all_of(samples.begin(), samples.end(), [&](const auto& sample) {
      return sample[output].shape() == samples[0][output].shape();
    });
    std::vector<bool> large;
    const int axis = same_shapes ? axis_of_two_kinds(samples, output, large) : -1;
    if (axis < 0) {
      blocks.push_back({names[output], output, -1, {}});
      continue;
    }
    std::vector<bool> small = large;
    small.flip();
    blocks.push_back({names[output] + "[large rows]", output, axis, large});
    blocks.push_back({names[output] + "[small rows]", output, axis, small});
  }
  return blocks;
}

SignalSums block_sums(const OutputBlock& block, const Tensor& reference, const Tensor& test) {
  SignalSums sums;
  if (reference.shape() != test.shape()) return sums;
  const auto r = reference.data<float>(), t = test.data<float>();
  if (block.axis < 0) {
    sums.add(r, t);
    return sums;
  }
  // Runs of elements inside one row lie together.
  const Shape& shape = reference.shape();
  const auto axis = static_cast<size_t>(block.axis);
  const auto inner = static_cast<size_t>(shape.span_count(axis + 1, shape.rank()));
  const auto rows = static_cast<size_t>(shape[axis]);
  for (size_t at = 0, row = 0; at < r.size(); at += inner, row = row + 1 == rows ? 0 : row + 1) {
    if (block.rows[row]) sums.add(r.subspan(at, inner), t.subspan(at, inner));
  }
  return sums;
}

}  // namespace qtool::eval
