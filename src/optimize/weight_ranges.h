// The largest |weight| of every channel of a layer under given factors.
#pragma once

#include <vector>

#include "channel_sets.h"

namespace qtool::optimize {

class WeightRanges {
 public:
  // `factors` by class; all three must live as long.
  WeightRanges(const ir::Graph& graph, const ChannelSets& sets, const Layer& layer, const std::vector<double>& factors);

  // Takes up the present factors.
  void refresh();
  [[nodiscard]] double out(int64_t channel) const { return out_[static_cast<size_t>(channel)]; }
  [[nodiscard]] double in(int64_t channel) const { return in_[static_cast<size_t>(channel)]; }
  [[nodiscard]] double largest() const { return largest_; }

 private:
  // Pairs of channels that lie one behind the other: one of the two stays, the other goes up by one.
  struct Run {
    bool along_inputs;
    size_t out, in;       // of the first pair
    size_t first, count;  // in largest_of_pair_
  };
  void append(size_t out, size_t in, float value);

  const ChannelSets& sets_;
  const Layer& layer_;
  const std::vector<double>& factors_;
  std::vector<Run> runs_;
  std::vector<float> largest_of_pair_;  // |weight| over taps
  std::vector<float> out_, in_;
  float largest_ = 0.0f;
};

}  // namespace qtool::optimize
