// Folds a BatchNormalization into the layer that feeds it.
// BEFORE   x -> Conv(W, b) -> BatchNormalization -> y        AFTER   x -> Conv(W', b') -> y
//          the same for ConvTranspose, Gemm and MatMul of two matrices (which becomes a Gemm)
// REQUIRES 1. all parameters are float32 constants  2. the layer's output has no other reader and is no graph output
//          3. inference: training_mode 0, no output behind the first is read
// FORMULA  s = gamma / sqrt(var + eps);  W'[c] = W[c] * s[c];  b'[c] = beta[c] + (b[c] - mean[c]) * s[c]   (in double)
//          Weights that other layers share are cloned. mean = beta and deviation = |gamma| sqrt(var / (var + eps)) of y are
//          remembered for equalization and bias correction: a channel whose weights have decayed has var far below eps, and
//          |gamma| alone would make it look alive.
// SOURCE   Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2; Nagel et al. 2019,
//          "Data-Free Quantization", section 4.1.2 (why beta and gamma are kept)
#include <algorithm>
#include <cmath>

#include "qtool/passes/linear_layer.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

model::FoldedBatchNorm statistics_of(const ir::Graph& graph, const ir::Node& batch_norm) {
  model::FoldedBatchNorm statistics;
  const auto gamma = constant_input(graph, batch_norm, 1)->data<float>(), variance = constant_input(graph, batch_norm, 4)->data<float>();
  const double epsilon = batch_norm.attr_float("epsilon", 1e-5f);
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double spread = std::max(0.0, static_cast<double>(variance[c]));
    const double shrunk = spread > 0.0 ? std::sqrt(spread / (spread + epsilon)) : 0.0;
    statistics.deviation.push_back(static_cast<float>(std::abs(gamma[c]) * shrunk));
  }
  const auto beta = constant_input(graph, batch_norm, 2)->data<float>();
  statistics.mean.assign(beta.begin(), beta.end());
  return statistics;
}

bool fold(model::ModelState& state, ir::NodeId id) {
  ir::Graph& graph = state.graph;
  const ir::Node& node = graph.node(id);
  const auto affine = batch_norm_affine(graph, node);
  if (!affine) return false;
  const auto layer = foldable_producer(graph, node.inputs[0]);
  if (!layer || output_channels(graph, *layer) != static_cast<int64_t>(affine->scale.size())) return false;
  model::FoldedBatchNorm statistics = statistics_of(graph, node);
  if (!fold_output_affine(graph, *layer, *affine)) return false;
  const ir::ValueId output = node.outputs[0];
  take_output(state, *layer, output);
  state.folded_batch_norms.insert_or_assign(output, std::move(statistics));
  return true;
}

}  // namespace

void register_fold_batch_norm(Registry& registry) {
  registry.add_rewrite({.name = "fold_batch_norm",
                        .summary = "Folds batch normalization into the preceding convolution or matrix product.",
                        .category = PassCategory::kCleanup,
                        .order = 60},
                       fold);
}

}  // namespace qtool::passes
