// How channels pass through operators that compute nothing across channels.
#pragma once

#include <optional>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::optimize {

enum class ChannelOp : uint8_t {
  kLinear,   // f(s x) = s f(x), by channel, whatever the pixels: pooling, resize, identity, zero padding, flatten
  kRelu,     // positively homogeneous: Relu, LeakyRelu, PRelu
  kClip,     // Clip with constant bounds
  kAdd,      // sum of two activations of the same shape
  kConcat,   // along the channel axis
};

struct ClipBounds {
  double low, high;  // infinite where left out
};

struct ChannelStep {
  ChannelOp op = ChannelOp::kLinear;
  std::vector<ir::ValueId> inputs;  // activations only
  ir::ValueId output = ir::kNoValue;
  int64_t spread = 1;               // Flatten: each input channel becomes this many
  bool keeps_constants = true;      // a channel that is one constant stays that constant (not so behind zero padding)
  ClipBounds clip{};
};

// nullopt: an operator that mixes channels, or is not understood. Channel axis is 1, float32, batch 1.
[[nodiscard]] std::optional<ChannelStep> channel_step(const ir::Graph& graph, const ir::Node& node);

[[nodiscard]] std::optional<ClipBounds> clip_bounds(const ir::Graph& graph, const ir::Node& node);

// Channels on axis 1 of a float tensor of two and more axes with settled shape; 0 otherwise.
[[nodiscard]] int64_t channel_count(const ir::Graph& graph, ir::ValueId value);

}  // namespace qtool::optimize
