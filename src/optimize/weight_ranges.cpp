#include "weight_ranges.h"

#include <algorithm>
#include <cmath>

#include "qtool/tensor/simd.h"

namespace qtool::optimize {

WeightRanges::WeightRanges(const ir::Graph& graph, const ChannelSets& sets, const Layer& layer, const std::vector<double>& factors)
    : sets_(sets), layer_(layer), factors_(factors) {
  const auto values = graph.constant(layer.weight)->data<float>();
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    const float w = std::abs(values[static_cast<size_t>(flat)]);
    if (place.tap == 0) append(static_cast<size_t>(place.out), static_cast<size_t>(place.in), w);
    else largest_of_pair_.back() = std::max(largest_of_pair_.back(), w);
  });
}

void WeightRanges::append(size_t out, size_t in, float value) {
  const size_t at = largest_of_pair_.size();
  largest_of_pair_.push_back(value);
  if (!runs_.empty()) {
    Run& run = runs_.back();
    const bool next_in = out == run.out && in == run.in + run.count, next_out = in == run.in && out == run.out + run.count;
    if (run.count == 1 && (next_in || next_out)) run.along_inputs = next_in;
    if (run.along_inputs ? next_in : next_out) {
      ++run.count;
      return;
    }
  }
  runs_.push_back({true, out, in, at, 1});
}

void WeightRanges::refresh() {
  const std::vector<double> in = by_channel(sets_, layer_.input, factors_), out = by_channel(sets_, layer_.output, factors_);
  std::vector<float> inverse(static_cast<size_t>(layer_.out_channels), 1.0f), forward(static_cast<size_t>(layer_.in_channels), 1.0f);
  for (size_t c = 0; c < out.size(); ++c) inverse[c] = static_cast<float>(1.0 / out[c]);
  for (size_t c = 0; c < in.size(); ++c) forward[c] = static_cast<float>(in[c]);
  out_.assign(inverse.size(), 0.0f);
  in_.assign(forward.size(), 0.0f);
  const simd::Kernels& simd = simd::kernels();
  for (const Run& run : runs_) {
    const float* values = largest_of_pair_.data() + run.first;
    const auto count = static_cast<int64_t>(run.count);
    if (run.along_inputs) {
      const float largest = simd.scaled_max(values, inverse[run.out], &forward[run.in], 1.0f, &in_[run.in], count);
      out_[run.out] = std::max(out_[run.out], largest);
    } else {
      const float largest = simd.scaled_max(values, 1.0f, &inverse[run.out], forward[run.in], &out_[run.out], count);
      in_[run.in] = std::max(in_[run.in], largest);
    }
  }
  largest_ = out_.empty() ? 0.0f : *std::max_element(out_.begin(), out_.end());
}

}  // namespace qtool::optimize
