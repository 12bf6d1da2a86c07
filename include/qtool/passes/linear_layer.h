// Layers y = W x + b with constant parameters, and what can be folded into them exactly.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::passes {

// y' = scale[c] * y + shift[c] on output channel c.
struct ChannelAffine {
  std::vector<double> scale;
  std::vector<double> shift;
};

// Axis of output channels of what a linear layer produces.
inline constexpr size_t kChannelAxis = 1;

// The Conv, ConvTranspose, Gemm or MatMul with two-dimensional operands that alone produces `value`, where `value` has
// a single reader, weight and bias are float32 constants and the bias is one number an output channel.
[[nodiscard]] std::optional<ir::NodeId> foldable_producer(const ir::Graph& graph, ir::ValueId value);

[[nodiscard]] int64_t output_channels(const ir::Graph& graph, ir::NodeId layer);

// Puts `affine` behind the layer into its weight and bias. A bias that becomes necessary is added as "<node>.bias", and
// turns a MatMul into a Gemm. False, and no change, when a result would not be finite.
[[nodiscard]] bool fold_output_affine(ir::Graph& graph, ir::NodeId layer, const ChannelAffine& affine);

// Applies `affine` to the statistics known of `value`.
void update_folded_statistics(model::ModelState& state, ir::ValueId value, const ChannelAffine& affine);

// scale = gamma / sqrt(var + eps), shift = beta - mean * scale of a BatchNormalization in inference with constant
// parameters; nullopt for others.
[[nodiscard]] std::optional<ChannelAffine> batch_norm_affine(const ir::Graph& graph, const ir::Node& node);

}  // namespace qtool::passes
