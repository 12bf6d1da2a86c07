// Integer levels q of channels for given scales: minimises (s q - w)' H (s q - w).
#pragma once

#include <span>
#include <vector>

#include "metric.h"

namespace qtool::rounding {

struct LevelBounds {
  float lowest = 0.0f, highest = 0.0f;
};

// One channel being rounded. g = H (s q - w) is kept up to date.
struct ChannelState {
  double scale = 1.0;
  LevelBounds bounds;
  const float* relative = nullptr;  // [inputs] step of each weight in units of `scale`; null: 1
  std::vector<float> levels, gradient;
  [[nodiscard]] float step(int64_t input) const {
    return relative == nullptr ? static_cast<float>(scale) : static_cast<float>(scale) * relative[input];
  }
};

// Channels of one block, several at a time.
class Descent {
 public:
  // weights: [channels][metric.size()], the real weights the levels should reproduce.
  Descent(const Metric& metric, std::span<const float> weights);

  [[nodiscard]] int64_t channels() const { return channels_; }
  // Start at given scales: the best rounding up or down of every weight for up to kEnumerated inputs, successive rounding
  // (GPTQ, Babai's nearest plane) above; then coordinate descent. At most kLanes channels from `first` on.
  static constexpr int64_t kEnumerated = 10;
  void start(int64_t first, std::span<ChannelState> states) const;
  // Moves one weight at a time to its best level, others fixed, until nothing moves or kSweeps are through.
  void descend(ChannelState& state) const;
  // Behind descend(): one weight by one level at a time, whether the loss falls or not, and that weight rests for a while; the
  // least loss met stays. At most 2 x inputs and kMostMoves moves. True when the loss fell.
  static constexpr int64_t kMostMoves = 1024;
  bool tabu_search(ChannelState& state) const;
  [[nodiscard]] double loss(int64_t channel, const ChannelState& state) const;
  // The same for a state whose gradient belongs to other weights.
  [[nodiscard]] double loss_from_levels(int64_t channel, ChannelState state) const;
  // Closed-form scale: s = numerator / denominator = w'Hq / q'Hq; sums over channels give a shared one.
  struct Fraction {
    double numerator = 0.0, denominator = 0.0;
  };
  [[nodiscard]] Fraction best_scale(int64_t channel, const ChannelState& state) const;
  void rescale(int64_t channel, ChannelState& state, double scale) const;

 private:
  static constexpr int kSweeps = 8;
  void round_successively(int64_t first, std::span<ChannelState> states) const;
  void enumerate(int64_t channel, ChannelState& state) const;
  void refresh_gradients(int64_t first, std::span<ChannelState> states) const;
  [[nodiscard]] const float* weights_of(int64_t channel) const { return weights_.data() + channel * metric_.size(); }
  [[nodiscard]] const float* pull_of(int64_t channel) const { return pull_.data() + channel * metric_.size(); }

  const Metric& metric_;
  std::span<const float> weights_;
  int64_t channels_;
  std::vector<float> pull_;  // H w of each channel
};

}  // namespace qtool::rounding
