#include "weight_ranges.h"

#include <algorithm>
#include <cmath>

namespace qtool::optimize {

WeightRanges::WeightRanges(const ir::Graph& graph, const ChannelSets& sets, const Layer& layer, const std::vector<double>& factors)
    : sets_(sets), layer_(layer), factors_(factors) {
  const auto values = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    const float w = std::abs(values[static_cast<size_t>(flat)]);
    if (place.tap == 0) pairs_.push_back({static_cast<int32_t>(place.out), static_cast<int32_t>(place.in), w});
    else pairs_.back().largest = std::max(pairs_.back().largest, w);
  });
}

void WeightRanges::refresh() {
  const std::vector<double> in = by_channel(sets_, layer_.input, factors_), out = by_channel(sets_, layer_.output, factors_);
  std::vector<float> inverse(static_cast<size_t>(layer_.out_channels), 1.0f), forward(static_cast<size_t>(layer_.in_channels), 1.0f);
  for (size_t c = 0; c < out.size(); ++c) inverse[c] = static_cast<float>(1.0 / out[c]);
  for (size_t c = 0; c < in.size(); ++c) forward[c] = static_cast<float>(in[c]);
  out_.assign(inverse.size(), 0.0f);
  in_.assign(forward.size(), 0.0f);
  for (const Pair& pair : pairs_) {
    const auto o = static_cast<size_t>(pair.out), i = static_cast<size_t>(pair.in);
    const float w = pair.largest * inverse[o] * forward[i];
    out_[o] = std::max(out_[o], w);
    in_[i] = std::max(in_[i], w);
  }
  largest_ = out_.empty() ? 0.0f : *std::max_element(out_.begin(), out_.end());
}

}  // namespace qtool::optimize
