// The layers whose weights are rounded: where they are in the graph and how their weights read as a matrix.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "activation.h"
#include "qtool/model/model_state.h"

namespace qtool::rounding {

enum class LayerKind : uint8_t { kConv, kConvTranspose, kMatrix };

// A layer is `groups` independent products of `outputs` x `inputs` weights each. Inputs of one output pixel (a row) are
// ordered (channel, tap), groups one behind the other.
struct LayerShape {
  int64_t groups = 1;
  int64_t inputs = 0;   // K of one group: channels of the group x taps
  int64_t outputs = 0;  // output channels of one group
  [[nodiscard]] int64_t row() const { return groups * inputs; }
  [[nodiscard]] int64_t channels() const { return groups * outputs; }
};

struct LayerSite {
  LayerKind kind = LayerKind::kConv;
  ir::NodeId node = ir::kNoNode;
  ir::ValueId input = ir::kNoValue, weight = ir::kNoValue, output = ir::kNoValue;
  ir::ValueId bias = ir::kNoValue;  // kNoValue when it cannot be moved: absent, shared or not one value a channel
  ir::ValueId skip = ir::kNoValue;  // the other operand of the Add that alone reads the output
  LayerShape shape;
  bool transposed_weight = false;   // kMatrix: stored [K, N]
  Activation activation;
};

struct SkippedLayer {
  std::string node;
  std::string reason;
};

struct LayerList {
  std::vector<LayerSite> sites;  // topological order
  std::vector<SkippedLayer> skipped;
};

// Conv, ConvTranspose, Gemm and MatMul with a constant weight that has an encoding of at most 8 bits.
[[nodiscard]] LayerList find_layers(const model::ModelState& state);

// Weights as [channels][inputs], row-major, and back into the tensor's own order and shape.
[[nodiscard]] std::vector<float> weight_matrix(const LayerSite& site, const Tensor& weight);
[[nodiscard]] Tensor weight_tensor(const LayerSite& site, const Shape& shape, const std::vector<float>& matrix);

}  // namespace qtool::rounding
