#include "qtool/calib/channel_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"

namespace qtool::calib {

namespace {

// Running moments of one call, by lane.
struct Moments {
  explicit Moments(size_t lanes)
      : lo(lanes, std::numeric_limits<float>::infinity()), hi(lanes, -std::numeric_limits<float>::infinity()),
        sum(lanes, 0.0), squares(lanes, 0.0), skipped(lanes, 0) {}

  // rows x lanes, lane fastest. `offset` is the lane of the first element.
  void add(const float* x, int64_t rows, int64_t lanes, size_t offset) {
    std::vector<double> s(static_cast<size_t>(lanes), 0.0), q(static_cast<size_t>(lanes), 0.0);
    std::vector<float> low(static_cast<size_t>(lanes), std::numeric_limits<float>::infinity());
    std::vector<float> high(static_cast<size_t>(lanes), -std::numeric_limits<float>::infinity());
    simd::kernels().lane_moments(x, rows, lanes, low.data(), high.data(), s.data(), q.data());
    for (size_t l = 0; l < static_cast<size_t>(lanes); ++l) {
      // A sum that is not finite holds a value that is not, or squares beyond float32.
      if (!std::isfinite(s[l]) || !std::isfinite(q[l])) slowly(x + l, rows, lanes, low[l], high[l], s[l], q[l], skipped[offset + l]);
      lo[offset + l] = std::min(lo[offset + l], low[l]);
      hi[offset + l] = std::max(hi[offset + l], high[l]);
      sum[offset + l] += s[l];
      squares[offset + l] += q[l];
    }
  }

  static void slowly(const float* x, int64_t rows, int64_t stride, float& low, float& high, double& s, double& q, int64_t& skip) {
    low = std::numeric_limits<float>::infinity();
    high = -low;
    s = q = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const float v = x[r * stride];
      if (!std::isfinite(v)) {
        ++skip;
        continue;
      }
      low = std::min(low, v);
      high = std::max(high, v);
      s += v;
      q += static_cast<double>(v) * v;
    }
  }

  // Lanes that belong to one channel become one.
  void fold_lanes(size_t first, size_t lanes) {
    for (size_t l = first + 1; l < first + lanes; ++l) {
      lo[first] = std::min(lo[first], lo[l]);
      hi[first] = std::max(hi[first], hi[l]);
      sum[first] += sum[l];
      squares[first] += squares[l];
      skipped[first] += skipped[l];
    }
  }

  std::vector<float> lo, hi;
  std::vector<double> sum, squares;
  std::vector<int64_t> skipped;
};

constexpr int64_t kFold = 16;  // a contiguous channel is read as rows of this many lanes

void add_contiguous(Moments& moments, const float* x, int64_t n, size_t channel) {
  const int64_t rows = n / kFold;
  Moments part(kFold);
  if (rows > 0) part.add(x, rows, kFold, 0);
  if (n % kFold > 0) part.add(x + rows * kFold, 1, n % kFold, 0);
  part.fold_lanes(0, kFold);
  moments.lo[channel] = std::min(moments.lo[channel], part.lo[0]);
  moments.hi[channel] = std::max(moments.hi[channel], part.hi[0]);
  moments.sum[channel] += part.sum[0];
  moments.squares[channel] += part.squares[0];
  moments.skipped[channel] += part.skipped[0];
}

Moments blocked_moments(const exec::PhysicalView& view) {
  const int64_t block = view.layout.block, blocks = (view.shape[1] + block - 1) / block;
  const int64_t spatial = view.shape.span_count(2, view.shape.rank());
  Moments moments(static_cast<size_t>(blocks * block));
  for (int64_t n = 0; n < view.shape[0]; ++n) {
    for (int64_t b = 0; b < blocks; ++b) {
      moments.add(view.data + (n * blocks + b) * spatial * block, spatial, block, static_cast<size_t>(b * block));
    }
  }
  return moments;
}

Moments plain_moments(const exec::PhysicalView& view, size_t axis) {
  const Shape& shape = view.shape;
  const int64_t channels = shape[axis], outer = shape.span_count(0, axis), inner = shape.span_count(axis + 1, shape.rank());
  Moments moments(static_cast<size_t>(channels));
  if (inner == 1) {
    moments.add(view.data, outer, channels, 0);
    return moments;
  }
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t c = 0; c < channels; ++c) add_contiguous(moments, view.data + (o * channels + c) * inner, inner, static_cast<size_t>(c));
  }
  return moments;
}

}  // namespace

double ChannelStatistics::mean(size_t channel) const {
  return count[channel] == 0 ? 0.0 : sum[channel].value() / static_cast<double>(count[channel]);
}

double ChannelStatistics::variance(size_t channel) const {
  if (count[channel] == 0) return 0.0;
  const double centre = mean(channel);
  return std::max(0.0, sum_squares[channel].value() / static_cast<double>(count[channel]) - centre * centre);
}

void ChannelStatistics::resize(size_t channels) {
  range.resize(channels);
  count.resize(channels, 0);
  sum.resize(channels);
  sum_squares.resize(channels);
}

void ChannelStatistics::observe(const exec::PhysicalView& view) {
  if (view.shape.element_count() == 0) return;
  const bool scalar = view.shape.rank() == 0;
  QTOOL_CHECK(view.layout.plain() || axis == 1);
  QTOOL_CHECK(scalar || static_cast<size_t>(axis) < view.shape.rank());
  const Shape shape = scalar ? Shape{1} : view.shape;
  const auto at = static_cast<size_t>(scalar ? 0 : axis);
  const Moments moments = view.layout.plain() ? plain_moments({view.data, shape, view.layout}, at) : blocked_moments(view);
  const auto channels = static_cast<size_t>(shape[at]);
  if (count.empty()) resize(channels);
  QTOOL_CHECK(count.size() == channels);
  const int64_t each = shape.element_count() / shape[at];
  for (size_t c = 0; c < channels; ++c) {
    const int64_t finite = each - moments.skipped[c];
    if (finite == 0) continue;
    const quant::Range seen{moments.lo[c], moments.hi[c]};
    if (count[c] == 0) range[c] = seen;
    else range[c].include(seen);
    count[c] += finite;
    sum[c].add(moments.sum[c]);
    sum_squares[c].add(moments.squares[c]);
  }
}

void ChannelStatistics::merge(const ChannelStatistics& other) {
  if (other.count.empty()) return;
  if (count.empty()) {
    *this = other;
    return;
  }
  QTOOL_CHECK(axis == other.axis && count.size() == other.count.size());
  for (size_t c = 0; c < count.size(); ++c) {
    if (other.count[c] == 0) continue;
    if (count[c] == 0) range[c] = other.range[c];
    else range[c].include(other.range[c]);
    count[c] += other.count[c];
    sum[c].merge(other.sum[c]);
    sum_squares[c].merge(other.sum_squares[c]);
  }
}

}  // namespace qtool::calib
