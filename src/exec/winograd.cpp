#include "winograd.h"

#include <algorithm>
#include <array>
#include <numbers>

#include "dense_layer.h"
#include "qtool/ops/window.h"
#include "simd/float_kernels.h"
#include "threads.h"

namespace qtool::exec {

namespace {

// Transformed input and products of a block of tiles: they stay in the second-level cache. Measured flat from 400 to 800 KiB.
constexpr int64_t kBlockBytes = 512 * 1024;

struct Plan3x3 {
  WinogradJob job{};        // all but the addresses and the tile range
  int64_t images = 1;
  int64_t block_tiles = 1;  // tiles worked on at a time
  int64_t blocks = 1;

  [[nodiscard]] int64_t all_tiles() const { return images * job.tiles_h * job.tiles_w; }
};

bool is_dense_3x3(const KernelRequest& request, const ops::WindowParams& window) {
  const auto all = [](const std::vector<int64_t>& values, int64_t value) {
    return std::all_of(values.begin(), values.end(), [value](int64_t v) { return v == value; });
  };
  return request.node.attr_int("group", 1) == 1 && all(window.kernel, 3) && all(window.strides, 1) && all(window.dilations, 1);
}

// Measured on AVX2 and AVX-512. With few channels the transforms cost more than they save. The transformed weights are
// four times as large and are read once a block of tiles: past the second-level cache that needs more pixels to pay, the more
// so where neighbours use the memory too (256 channels at 14x14: 1.3 times as fast alone, 0.8 times on a busy machine).
bool pays(int64_t in_channels, int64_t out_channels, int64_t pixels) {
  constexpr int64_t kFewestChannels = 8;
  if (std::min(in_channels, out_channels) < kFewestChannels) return false;
  const int64_t filters = in_channels * out_channels;
  if (filters <= 128 * 128) return pixels >= 128;
  if (filters <= 208 * 208) return pixels >= 160;
  if (filters <= 256 * 256) return pixels >= 320;
  return pixels >= 640;
}

// Blocks of equal size, as large as the cache allows and at least one for each thread.
void divide_tiles(Plan3x3& plan, const FloatKernels& kernels) {
  const int64_t bytes_per_tile = winograd_scratch_floats(plan.job.in_blocks, 1, kernels.block) * static_cast<int64_t>(sizeof(float));
  const int64_t panel = kernels.panel;
  const int64_t largest = std::max<int64_t>(1, kBlockBytes / bytes_per_tile / panel) * panel;
  const int64_t blocks = std::max((plan.all_tiles() + largest - 1) / largest, std::min<int64_t>(intra_threads(), plan.all_tiles()));
  plan.block_tiles = (plan.all_tiles() + blocks - 1) / blocks;
  plan.blocks = (plan.all_tiles() + plan.block_tiles - 1) / plan.block_tiles;
}

Plan3x3 make_plan(const KernelRequest& request, const ops::WindowParams& window, const FloatKernels& kernels) {
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  const auto blocks = [&](int64_t channels) { return (channels + kernels.block - 1) / kernels.block; };
  Plan3x3 plan{.images = source[0]};
  plan.job = {.in_channels = source[1], .in_blocks = blocks(source[1]), .in_h = source[2], .in_w = source[3],
              .out_blocks = blocks(target[1]), .out_h = target[2], .out_w = target[3],
              .pad_top = window.pads_begin[0], .pad_left = window.pads_begin[1],
              .tiles_h = (target[2] + 3) / 4, .tiles_w = (target[3] + 3) / 4, .finish = finish_of(request.activation)};
  divide_tiles(plan, kernels);
  return plan;
}

// G g G^T in double, for the points of simd/winograd.inc.
std::array<double, kWinogradPoints> transform_weights(const float* g) {
  constexpr double kRoot2 = std::numbers::sqrt2;
  static constexpr double kG[6][3] = {{1, 0, 0},
                                      {-2.0 / 3, -kRoot2 / 3, -1.0 / 3}, {-2.0 / 3, kRoot2 / 3, -1.0 / 3},
                                      {1.0 / 6, kRoot2 / 6, 1.0 / 3}, {1.0 / 6, -kRoot2 / 6, 1.0 / 3},
                                      {0, 0, 1}};
  double half[6][3];
  for (int r = 0; r < 6; ++r) {
    for (int c = 0; c < 3; ++c) half[r][c] = kG[r][0] * g[c] + kG[r][1] * g[3 + c] + kG[r][2] * g[6 + c];
  }
  std::array<double, kWinogradPoints> u{};
  for (size_t r = 0; r < 6; ++r) {
    for (size_t c = 0; c < 6; ++c) u[r * 6 + c] = kG[c][0] * half[r][0] + kG[c][1] * half[r][1] + kG[c][2] * half[r][2];
  }
  return u;
}

// ONNX [out, in, 3, 3] -> [group][36][in][blocks of the group * block]; lanes past the last channel are zero.
Tensor pack_winograd_weights(const Tensor& weights, const WinogradJob& job, int64_t block) {
  const int64_t out_channels = weights.shape()[0], in_channels = weights.shape()[1];
  Tensor packed(DType::kFloat32, {kWinogradPoints * job.in_channels * job.out_blocks * block});
  float* to = packed.mutable_data<float>().data();
  const float* from = weights.data<float>().data();
  for (int64_t o = 0; o < out_channels; ++o) {
    const int64_t first_block = o / (kOutGroup * block) * kOutGroup;
    const int64_t width = std::min(kOutGroup, job.out_blocks - first_block) * block;
    float* group = to + first_block * block * kWinogradPoints * in_channels + (o - first_block * block);
    for (int64_t i = 0; i < in_channels; ++i) {
      const auto u = transform_weights(from + (o * in_channels + i) * 9);
      for (int64_t point = 0; point < kWinogradPoints; ++point) {
        group[(point * in_channels + i) * width] = static_cast<float>(u[static_cast<size_t>(point)]);
      }
    }
  }
  return packed;
}

void run(const Plan3x3& plan, const FloatKernels& kernels, const Tensor& weights, const std::vector<float>& bias,
         const KernelArgs& args) {
  const int64_t scratch = winograd_scratch_floats(plan.job.in_blocks, plan.block_tiles, kernels.block);
  intra_for(plan.blocks, [&](int64_t part, int thread) {
    WinogradJob job = plan.job;
    job.source = static_cast<const float*>(args.in[0]);
    job.target = static_cast<float*>(args.out[0]);
    job.weights = weights.data<float>().data();
    job.bias = bias.empty() ? nullptr : bias.data();
    job.scratch = reinterpret_cast<float*>(args.scratch) + thread * scratch;
    job.first_tile = part * plan.block_tiles;
    job.tiles = std::min(plan.block_tiles, plan.all_tiles() - job.first_tile);
    kernels.winograd(job);
  });
}

}  // namespace

std::optional<KernelChoice> winograd_conv(const KernelRequest& request) {
  const FloatKernels& kernels = float_kernels();
  const Shape& source = request.input_shape(0);
  if (source.rank() != 4 || request.block != kernels.block || request.output_shape().element_count() == 0) return std::nullopt;
  const ops::WindowParams window = ops::conv_window(request.node, source, request.input_shape(1));
  if (!is_dense_3x3(request, window)) return std::nullopt;
  const Shape& target = request.output_shape();
  if (!pays(source[1], target[1], target[0] * target[2] * target[3])) return std::nullopt;
  const Plan3x3 plan = make_plan(request, window, kernels);

  KernelChoice choice;
  choice.input_layouts = {Layout{request.block}, Layout{}, Layout{}};
  choice.output_layouts = {Layout{request.block}};
  choice.input_absorbed = {false, true, request.has_input(2)};
  choice.scratch_bytes = static_cast<size_t>(winograd_scratch_floats(plan.job.in_blocks, plan.block_tiles, kernels.block)) *
                         sizeof(float) * static_cast<size_t>(intra_threads());
  choice.kernel = make_kernel([plan, &kernels, bias = padded_bias(request.constant(2), plan.job.out_blocks * kernels.block), weights = pack_winograd_weights(*request.constant(1), plan.job, kernels.block)](
                                  const KernelArgs& args) { run(plan, kernels, weights, bias, args); });
  return choice;
}

}  // namespace qtool::exec
