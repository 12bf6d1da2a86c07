// The noise that rounding the weights of a layer adds at the outputs of the model, as a smooth function of channel factors.
#pragma once

#include <vector>

#include "channel_sets.h"

namespace qtool::optimize {

// Of weights and activations alike: steps of an 8-bit grid, and the p-norm that stands for the largest value.
inline constexpr double kSteps = 255.0, kNorm = 32.0;

struct LayerNoiseInputs {
  std::vector<double> input_variance;      // by input channel
  std::vector<double> output_sensitivity;  // by output channel: noise power at the model's outputs for a variance of 1 there
};

// With weights W[o, i, t] in[i] / out[o] on one grid of 255 steps over range R:
//   N = (R / 255)^2 / 12  sum over o, i of  G[o] out[o]^2 T V[i] / in[i]^2
// G, V: sensitivity and variance above, T: taps. Means are left out, bias correction removes them. R is the largest weight minus
// the smallest, each a p-norm with p = 32, so that N has a gradient; it is then 1.0 to 1.5 times too large, for all factors alike.
class LayerNoise {
 public:
  LayerNoise(const ir::Graph& graph, const Layer& layer, LayerNoiseInputs inputs);

  struct Gradient {
    double noise = 0.0;
    std::vector<double> in, out;  // d noise / d ln factor
  };
  // Factors by channel of input and output.
  [[nodiscard]] Gradient at(const std::vector<double>& in, const std::vector<double>& out) const;

 private:
  struct Side;  // of the range: positive or negative weights
  void largest_weights(const ir::Graph& graph, const Layer& layer);
  [[nodiscard]] Side side(const std::vector<float>& weights, const std::vector<float>& in, const std::vector<float>& inverse_out) const;

  int64_t groups_ = 1, group_out_ = 1, group_in_ = 1, taps_ = 1;
  std::vector<float> positive_, negative_;  // [out][in of the group]: largest w and -w over taps, 0 where there is none
  LayerNoiseInputs inputs_;
};

}  // namespace qtool::optimize
