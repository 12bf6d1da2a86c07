// One layer to be rounded, and an answer.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "moments.h"
#include "qtool/quant/encoding.h"

namespace qtool::rounding {

struct LayerProblem {
  const LayerData& data;
  Activation activation;
  std::vector<float> weights;      // [channels][inputs], float model
  std::vector<float> bias;         // [channels]; empty: the layer has none that can be moved
  quant::Encoding encoding;        // base grid: one for the tensor or one a channel
  int threads = 1;
  std::span<const float> coupling;  // G of the output channels (sensitivity.h), [channels][channels]; empty: channels are independent
  int64_t grid_inputs = 0;         // inputs that share a grid of a per-block encoding; 0: one grid a channel or tensor

  [[nodiscard]] const LayerShape& shape() const { return data.fit.shape; }
  [[nodiscard]] int64_t grids_per_channel() const { return grid_inputs > 0 ? (shape().inputs + grid_inputs - 1) / grid_inputs : 1; }
  [[nodiscard]] size_t grid_of(int64_t channel, int64_t input = 0) const {
    if (!encoding.per_channel()) return 0;
    return static_cast<size_t>(grid_inputs > 0 ? channel * grids_per_channel() + input / grid_inputs : channel);
  }
};

struct LayerSolution {
  std::string method;
  std::vector<float> weights;      // [channels][inputs], on the grid of `encoding`
  std::vector<float> bias;         // as in the problem
  quant::Encoding encoding;
  double error = 0.0;              // relative error of the layer's output on judged rows, see judge.h
};

// scale * level as the simulation and the exporters compute it; adding zero makes -0 a 0.
[[nodiscard]] inline float on_grid(double scale, double level) { return static_cast<float>(scale) * (static_cast<float>(level) + 0.0f); }

}  // namespace qtool::rounding
