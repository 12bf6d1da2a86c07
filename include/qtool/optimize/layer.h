// Convolutions and matrix products with constant weights, seen as (output channel, input channel, tap) -> weight.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::optimize {

struct Layer {
  ir::NodeId node = ir::kNoNode;
  ir::ValueId input = ir::kNoValue, output = ir::kNoValue, weight = ir::kNoValue;
  int64_t in_channels = 0, out_channels = 0;
  int64_t taps = 1;       // spatial kernel size; 1 for matrix products
  size_t channel_axis = 1;  // of input and output: 1, or the last axis of a matrix product over more than two axes
};

// Conv, ConvTranspose, Gemm and MatMul with a float32 weight of constants; Gemm without transA. nullopt: something else.
[[nodiscard]] std::optional<Layer> layer_of(const ir::Graph& graph, ir::NodeId node);
// Producers first.
[[nodiscard]] std::vector<Layer> layers_of(const ir::Graph& graph);

struct WeightPlace {
  int64_t out = 0, in = 0, tap = 0;
};

// How flat weight indices map to places.
class WeightIndex {
 public:
  WeightIndex(const ir::Graph& graph, const Layer& layer);
  [[nodiscard]] WeightPlace at(int64_t flat) const;
  // Calls fn(flat index, place) over the weight in memory order.
  template <class Fn>
  void for_each(Fn&& fn) const {
    const int64_t count = first_ * second_ * taps_;
    for (int64_t flat = 0; flat < count; ++flat) fn(flat, at(flat));
  }

 private:
  int64_t first_ = 1, second_ = 1, taps_ = 1;  // the weight is [first, second, taps]
  bool first_is_output_ = true;
  int64_t group_first_ = 1;  // indices of the first axis in one group
};

// W[o, i, t] *= in[i] / out[o] and bias[o] /= out[o]: what keeps the function when channel i of the input is divided by
// in[i] and channel o of the output by out[o]. Empty spans are all ones. False, and no change, when a result would not be
// finite or the bias is not a constant of one number a channel. Weights that others share are cloned.
[[nodiscard]] bool rescale_layer(ir::Graph& graph, const Layer& layer, std::span<const double> in, std::span<const double> out);

// Adds shift[o] to the output: to the bias, which is made where there is none; behind a matrix product over more than two
// axes to the constant of the Add that follows. False, and no change, where there is no such place.
[[nodiscard]] bool shift_output(ir::Graph& graph, const Layer& layer, std::span<const double> shift);

// The bias in real units, zeros where there is none; nullopt: not one constant a channel.
[[nodiscard]] std::optional<std::vector<double>> bias_of(const ir::Graph& graph, const Layer& layer);

// Sets the weights of an output channel (all its inputs and taps), or of an input channel, to zero.
struct ZeroedChannels {
  std::vector<bool> out, in;  // empty: none
};
void zero_weights(ir::Graph& graph, const Layer& layer, const ZeroedChannels& zeroed);

}  // namespace qtool::optimize
