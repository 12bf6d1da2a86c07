#include "band_plan.h"

#include <algorithm>

#include "dense_layer.h"
#include "threads.h"

namespace qtool::exec {

namespace {

// Pixels that the weights of a group, in the first-level cache, are multiplied with before the next group comes.
constexpr int64_t kBandPixels = 256;
// Channels summed before a partial sum is stored; their new rows stay in the second-level cache.
constexpr int64_t kChunkChannels = 160, kChunkBytes = 512 * 1024;

const Tensor& weights_of(const ir::Graph& graph, const ChainLayer& layer) { return *graph.constant(layer.conv->inputs[1]); }

std::vector<float> bias_of(const ir::Graph& graph, const ChainLayer& layer, int64_t lanes) {
  const auto& inputs = layer.conv->inputs;
  const bool has = inputs.size() > 2 && inputs[2] != ir::kNoValue;
  return padded_bias(has ? graph.constant(inputs[2]) : nullptr, lanes);
}

// ONNX [channels, 1, taps] -> [block][tap][lane]
Tensor pack_depthwise(const Tensor& weights, int64_t block) {
  const int64_t channels = weights.shape()[0], taps = weights.shape().span_count(2, 4);
  const int64_t blocks = (channels + block - 1) / block;
  Tensor packed(DType::kFloat32, {blocks * taps * block});
  float* to = packed.mutable_data<float>().data();
  const float* from = weights.data<float>().data();
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t tap = 0; tap < taps; ++tap) to[(c / block * taps + tap) * block + c % block] = from[c * taps + tap];
  }
  return packed;
}

// Chunk after chunk, each as pack_pointwise gives it.
Tensor pack_projection(const Tensor& weights, const BandPlan& plan) {
  Tensor packed(DType::kFloat32, {plan.wide_channels * plan.out_blocks * plan.block});
  float* to = packed.mutable_data<float>().data();
  const int64_t step = plan.chunk_blocks * plan.block;
  for (int64_t first = 0; first < plan.wide_channels; first += step) {
    const Tensor chunk = pack_pointwise(weights, first, std::min(step, plan.wide_channels - first), plan.block);
    to = std::ranges::copy(chunk.data<float>(), to).out;
  }
  return packed;
}

// A segment expands the rows that it has in common with the one before once more: a loss on small images.
void divide_among_threads(BandPlan& plan) {
  constexpr int64_t kFewestRowsToOneMore = 6;
  const BandGeometry& g = plan.geometry;
  const int64_t parts = g.phases * plan.images;
  plan.segments = (intra_threads() + parts - 1) / parts;
  plan.shared = (plan.segments - 1) * g.kept * kFewestRowsToOneMore > g.rows_of(0) * g.step;
  if (plan.shared) plan.segments = 1;
}

void choose_sizes(BandPlan& plan) {
  const BandGeometry& g = plan.geometry;
  plan.band_rows = std::clamp<int64_t>((kBandPixels + g.out_w / 2) / g.out_w, 1, g.rows_of(0));
  const int64_t row_bytes = plan.row_floats() * static_cast<int64_t>(sizeof(float));
  const int64_t most = std::min(kChunkChannels / plan.block, kChunkBytes / (g.reach(plan.band_rows) * row_bytes));
  const int64_t groups = (plan.wide_blocks + kOutGroup - 1) / kOutGroup;
  const int64_t largest = plan.shared ? groups : std::max<int64_t>(1, most / kOutGroup);
  const int64_t chunks = (groups + largest - 1) / largest;
  plan.chunk_blocks = (groups + chunks - 1) / chunks * kOutGroup;
}

void describe_jobs(BandPlan& plan, const BlockChain& chain) {
  const BandGeometry& g = plan.geometry;
  plan.expand = {.in_channels = plan.in_channels, .count = g.in_w,
                 .source_block = g.in_h * g.in_w * plan.block, .source_row = g.dilation_h * g.in_w * plan.block,
                 .target_block = plan.new_block(), .target_row = plan.row_floats(), .weights_follow = true,
                 .finish = finish_of(chain.expand.activation)};
  plan.depthwise = {.kernel_h = g.kernel_h, .kernel_w = g.kernel_w, .tap_step = g.dilation_w, .stride = g.stride_w,
                    .count = g.out_w, .finish = finish_of(chain.depthwise.activation)};
  plan.project = {.count = g.out_w,
                  .source_block = plan.depthwise_block(), .source_row = g.out_w * plan.block,
                  .target_block = g.out_h * g.out_w * plan.block, .target_row = g.phases * g.out_w * plan.block,
                  .weights_follow = true, .finish = finish_of(chain.project.activation)};
}

}  // namespace

BandPlan make_band_plan(const ir::Graph& graph, const BlockChain& chain, const FloatKernels& kernels) {
  const ir::Node& depthwise = *chain.depthwise.conv;
  const Shape& source = graph.type_of(chain.source).shape;
  const Shape& wide = graph.type_of(depthwise.inputs[0]).shape;
  const auto blocks = [&](int64_t channels) { return (channels + kernels.block - 1) / kernels.block; };
  BandPlan plan{.kernels = &kernels, .block = kernels.block, .images = source[0], .in_channels = source[1],
                .wide_channels = wide[1], .in_blocks = blocks(source[1]), .wide_blocks = blocks(wide[1]),
                .out_blocks = blocks(graph.type_of(chain.result).shape[1]), .residual = chain.residual};
  plan.geometry = band_geometry(ops::conv_window(depthwise, wide, graph.type_of(depthwise.inputs[1]).shape), wide[2], wide[3]);
  divide_among_threads(plan);
  choose_sizes(plan);
  describe_jobs(plan, chain);
  plan.expand_weights = pack_pointwise(weights_of(graph, chain.expand), 0, plan.in_channels, plan.block);
  plan.expand_bias = bias_of(graph, chain.expand, plan.wide_blocks * plan.block);
  plan.depthwise_weights = pack_depthwise(weights_of(graph, chain.depthwise), plan.block);
  plan.depthwise_bias = bias_of(graph, chain.depthwise, plan.wide_blocks * plan.block);
  plan.project_weights = pack_projection(weights_of(graph, chain.project), plan);
  plan.project_bias = bias_of(graph, chain.project, plan.out_blocks * plan.block);
  return plan;
}

}  // namespace qtool::exec
