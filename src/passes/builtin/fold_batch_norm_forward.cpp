// Folds a BatchNormalization into the layer that reads it, where the one before it cannot take it.
// BEFORE   x -> BatchNormalization -> Conv(W, b) -> y        AFTER   x -> Conv(W', b') -> y        (and Gemm)
// REQUIRES 1. all parameters are float32 constants  2. the convolution has group 1 and no padding: padded zeros would
//          need the value -shift/scale, another one for each channel  3. it is the only reader  4. inference
// FORMULA  BN(x)[i] = s[i] x[i] + t[i]:  W'[o, i, k] = W[o, i, k] * s[i];  b'[o] = b[o] + sum over i, k W[o, i, k] * t[i]
// SOURCE   AIMET, batch norm folding, "forward" case
#include <algorithm>
#include <cmath>

#include "qtool/passes/linear_layer.h"
#include "qtool/ops/window.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;

constexpr size_t kWeightSlot = 1, kBiasSlot = 2;

bool is_zero(int64_t pad) { return pad == 0; }

bool takes_input_affine(const Graph& graph, const Node& node) {
  const Tensor* weight = constant_input(graph, node, kWeightSlot);
  if (weight == nullptr || weight->dtype() != DType::kFloat32) return false;
  if (input_of(node, kBiasSlot) != ir::kNoValue) {
    const Tensor* bias = constant_input(graph, node, kBiasSlot);
    if (bias == nullptr || bias->dtype() != DType::kFloat32) return false;
  }
  if (is_op(node, "Gemm")) {
    return node.attr_int("transA", 0) == 0 && node.attr_float("alpha", 1.0f) == 1.0f && node.attr_float("beta", 1.0f) == 1.0f;
  }
  const TensorType* input = known_type(graph, node.inputs[0]);
  if (!is_op(node, "Conv") || node.attr_int("group", 1) != 1 || input == nullptr) return false;
  const ops::WindowParams window = ops::conv_window(node, input->shape, weight->shape());
  return std::all_of(window.pads_begin.begin(), window.pads_begin.end(), is_zero) &&
         std::all_of(window.pads_end.begin(), window.pads_end.end(), is_zero);
}

struct Parameters {
  Tensor weight, bias;
};

// nullopt: shapes do not fit, or a result is not finite.
std::optional<Parameters> transformed(const Graph& graph, const Node& node, const ChannelAffine& affine) {
  const Tensor& weight = *constant_input(graph, node, kWeightSlot);
  const size_t output_axis = is_op(node, "Conv") || node.attr_int("transB", 0) != 0 ? 0 : 1;
  const size_t input_axis = 1 - output_axis;
  const Shape& shape = weight.shape();
  const auto inputs = static_cast<size_t>(shape[input_axis]), outputs = static_cast<size_t>(shape[output_axis]);
  if (inputs != affine.scale.size()) return std::nullopt;
  const auto inner = static_cast<size_t>(shape.span_count(2, shape.rank()));
  std::vector<double> sums(outputs, 0.0);
  if (const Tensor* bias = constant_input(graph, node, kBiasSlot)) {
    const auto values = per_channel_constant(*bias, Shape{1, static_cast<int64_t>(outputs)}, 1);
    if (!values) return std::nullopt;
    sums = *values;
  }
  Tensor new_weight = weight.clone();
  const auto elements = new_weight.mutable_data<float>();
  bool finite = true;
  for (size_t i = 0; i < elements.size(); ++i) {
    const size_t first = i / inner / static_cast<size_t>(shape[1]), second = i / inner % static_cast<size_t>(shape[1]);
    const size_t input = output_axis == 0 ? second : first, output = output_axis == 0 ? first : second;
    sums[output] += double{elements[i]} * affine.shift[input];
    elements[i] = static_cast<float>(double{elements[i]} * affine.scale[input]);
    finite = finite && std::isfinite(elements[i]);
  }
  Tensor new_bias(DType::kFloat32, Shape{static_cast<int64_t>(outputs)});
  for (size_t o = 0; o < outputs; ++o) {
    new_bias.mutable_data<float>()[o] = static_cast<float>(sums[o]);
    finite = finite && std::isfinite(new_bias.data<float>()[o]);
  }
  if (!finite) return std::nullopt;
  return Parameters{std::move(new_weight), std::move(new_bias)};
}

bool fold(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& node = graph.node(id);
  const auto affine = batch_norm_affine(graph, node);
  if (!affine) return false;
  const ir::ValueId source = node.inputs[0], normalized = node.outputs[0];
  const ir::NodeId layer = graph.single_user(normalized);
  if (layer == ir::kNoNode || graph.node(layer).inputs[0] != normalized) return false;
  if (!takes_input_affine(graph, graph.node(layer))) return false;
  auto parameters = transformed(graph, graph.node(layer), *affine);
  if (!parameters) return false;
  const std::string name = graph.node(layer).name;
  set_own_constant(graph, layer, kWeightSlot, std::move(parameters->weight), name + ".weight");
  set_own_constant(graph, layer, kBiasSlot, std::move(parameters->bias), name + ".bias");
  graph.set_input(layer, 0, source);
  prune(graph, normalized);
  return true;
}

}  // namespace

void register_fold_batch_norm_forward(Registry& registry) {
  registry.add_rewrite({.name = "fold_batch_norm_forward",
                        .summary = "Folds batch normalization into the following convolution or matrix product.",
                        .category = PassCategory::kCleanupLast,  // the layer before it has priority
                        .order = 10},
                       fold);
}

}  // namespace qtool::passes
