#include "layer_noise.h"

#include <algorithm>
#include <cmath>

namespace qtool::optimize {

namespace {

double square(double v) { return v * v; }

constexpr size_t kLanes = 16;  // sums and maxima that need not wait for one another

float to_32nd(float v) {
  const float v2 = v * v, v4 = v2 * v2, v8 = v4 * v4, v16 = v8 * v8;
  return v16 * v16;
}

float largest_product(const float* a, const float* b, size_t count) {
  float largest[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const float v = a[i + l] * b[i + l];
      largest[l] = largest[l] < v ? v : largest[l];
    }
  }
  for (; i < count; ++i) largest[0] = std::max(largest[0], a[i] * b[i]);
  return *std::max_element(largest, largest + kLanes);
}

// columns[i] += (a[i] b[i] unit)^32; returns the sum of these.
double add_powers(const float* a, const float* b, float unit, float* columns, size_t count) {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const float v = to_32nd(a[i + l] * b[i + l] * unit);
      sums[l] += v;
      columns[i + l] += v;
    }
  }
  for (; i < count; ++i) {
    const float v = to_32nd(a[i] * b[i] * unit);
    sums[0] += v;
    columns[i] += v;
  }
  double sum = 0.0;
  for (const float v : sums) sum += static_cast<double>(v);
  return sum;
}

}  // namespace

struct LayerNoise::Side {
  double range = 0.0;
  std::vector<double> in, out;  // d ln range / d ln factor
};

LayerNoise::LayerNoise(const ir::Graph& graph, const Layer& layer, LayerNoiseInputs inputs) : inputs_(std::move(inputs)) {
  group_in_ = graph.constant(layer.weight)->element_count() / layer.taps / layer.out_channels;
  groups_ = layer.in_channels / group_in_;
  group_out_ = layer.out_channels / groups_;
  taps_ = layer.taps;
  largest_weights(graph, layer);
}

void LayerNoise::largest_weights(const ir::Graph& graph, const Layer& layer) {
  positive_.assign(static_cast<size_t>(layer.out_channels * group_in_), 0.0f);
  negative_ = positive_;
  const auto values = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    const auto at = static_cast<size_t>(place.out * group_in_ + place.in % group_in_);
    const float w = values[static_cast<size_t>(flat)];
    positive_[at] = std::max(positive_[at], w);
    negative_[at] = std::max(negative_[at], -w);
  });
}

LayerNoise::Side LayerNoise::side(const std::vector<float>& weights, const std::vector<float>& in, const std::vector<float>& inverse_out) const {
  constexpr float kNothing = 0.4f;  // 0.4^32 < 1e-12: rows below count for nothing
  const auto width = static_cast<size_t>(group_in_);
  const auto first_in = [&](size_t o) { return o / static_cast<size_t>(group_out_) * width; };
  Side result{.in = std::vector<double>(in.size(), 0.0), .out = std::vector<double>(inverse_out.size(), 0.0)};
  std::vector<float> rows;
  for (size_t o = 0; o < inverse_out.size(); ++o) rows.push_back(largest_product(&weights[o * width], &in[first_in(o)], width) * inverse_out[o]);
  const float largest = *std::max_element(rows.begin(), rows.end());
  if (!(largest > 0.0f)) return result;
  std::vector<float> columns(in.size(), 0.0f);
  double total = 0.0;
  for (size_t o = 0; o < inverse_out.size(); ++o) {
    if (rows[o] < kNothing * largest) continue;
    const double sum = add_powers(&weights[o * width], &in[first_in(o)], inverse_out[o] / largest, &columns[first_in(o)], width);
    result.out[o] = -sum;
    total += sum;
  }
  for (size_t i = 0; i < columns.size(); ++i) result.in[i] = columns[i] / total;
  for (double& v : result.out) v /= total;
  result.range = largest * std::pow(total, 1.0 / kNorm);
  return result;
}

LayerNoise::Gradient LayerNoise::at(const std::vector<double>& in, const std::vector<double>& out) const {
  std::vector<float> forward(in.begin(), in.end()), inverse;
  for (const double f : out) inverse.push_back(static_cast<float>(1.0 / f));
  const Side above = side(positive_, forward, inverse), below = side(negative_, forward, inverse);
  const double range = above.range + below.range;
  Gradient result{.in = std::vector<double>(in.size(), 0.0), .out = std::vector<double>(out.size(), 0.0)};
  if (range == 0.0) return result;
  const double unit = square(range / kSteps) / 12.0 * static_cast<double>(taps_);
  for (int64_t g = 0; g < groups_; ++g) {
    const auto o0 = static_cast<size_t>(g * group_out_), o1 = o0 + static_cast<size_t>(group_out_);
    const auto i0 = static_cast<size_t>(g * group_in_), i1 = i0 + static_cast<size_t>(group_in_);
    double sensitivity = 0.0, variance = 0.0;
    for (size_t o = o0; o < o1; ++o) sensitivity += inputs_.output_sensitivity[o] * square(out[o]);
    for (size_t i = i0; i < i1; ++i) variance += inputs_.input_variance[i] / square(in[i]);
    result.noise += unit * sensitivity * variance;
    for (size_t o = o0; o < o1; ++o) result.out[o] += 2.0 * unit * inputs_.output_sensitivity[o] * square(out[o]) * variance;
    for (size_t i = i0; i < i1; ++i) result.in[i] -= 2.0 * unit * sensitivity * inputs_.input_variance[i] / square(in[i]);
  }
  const double share_above = above.range / range, share_below = below.range / range;
  for (size_t o = 0; o < out.size(); ++o) result.out[o] += 2.0 * result.noise * (share_above * above.out[o] + share_below * below.out[o]);
  for (size_t i = 0; i < in.size(); ++i) result.in[i] += 2.0 * result.noise * (share_above * above.in[i] + share_below * below.in[i]);
  return result;
}

}  // namespace qtool::optimize
