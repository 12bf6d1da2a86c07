// Channel-blocked tensors to channels-last order, where a Transpose asks for it: runs of whole blocks are copied, without
// going through the row-major form. Also for channels in groups, each group a table of its own (kChannelsLastStep),
// and then with the Sigmoid that follows.
#include <algorithm>
#include <cstring>

#include "qtool/exec/registry.h"
#include "simd/float_kernels.h"
#include "step_names.h"
#include "threads.h"

namespace qtool::exec {

namespace {

// Channels of one block that stay neighbours.
struct Run {
  int64_t source;   // floats from the pixel of block 0 to these lanes
  int64_t target;   // floats from the row of the pixel in group 0
  int64_t length;
};

struct ChannelsLast {
  int64_t images, pixels, row;           // row: channels of a group
  int64_t source_image, target_image;    // floats of an image
  int64_t block;
  bool sigmoid;                          // of the result
  std::vector<Run> runs;
};

ChannelsLast plan_channels_last(const Shape& source, Layout layout, int64_t groups, bool sigmoid) {
  const int64_t channels = source[1], block = layout.block, blocks = (channels + block - 1) / block;
  ChannelsLast plan{.images = source[0], .pixels = source.span_count(2, source.rank()), .row = channels / groups,
                    .block = block, .sigmoid = sigmoid};
  plan.source_image = blocks * plan.pixels * block;
  plan.target_image = channels * plan.pixels;
  for (int64_t c = 0; c < channels;) {
    const int64_t lane = c % block, column = c % plan.row;
    const int64_t length = std::min({block - lane, plan.row - column, channels - c});
    plan.runs.push_back({c / block * plan.pixels * block + lane, c / plan.row * plan.pixels * plan.row + column, length});
    c += length;
  }
  return plan;
}

// Whole blocks have a length that the compiler knows.
template <int64_t kBlock>
void copy_pixels(const ChannelsLast& plan, const float* source, float* target, int64_t begin, int64_t end) {
  for (int64_t p = begin; p < end; ++p) {
    for (const Run& run : plan.runs) {
      const float* from = source + p * kBlock + run.source;
      float* to = target + p * plan.row + run.target;
      if (run.length == kBlock) std::memcpy(to, from, kBlock * sizeof(float));
      else std::copy_n(from, run.length, to);
    }
  }
}

void run(const ChannelsLast& plan, const float* source, float* target) {
  constexpr int64_t kChunk = 128;
  const int64_t chunks = (plan.pixels + kChunk - 1) / kChunk;
  intra_for(plan.images * chunks, [&](int64_t part, int) {
    const int64_t image = part / chunks, begin = part % chunks * kChunk, end = std::min(begin + kChunk, plan.pixels);
    const float* from = source + image * plan.source_image;
    float* to = target + image * plan.target_image;
    if (plan.block == 16) copy_pixels<16>(plan, from, to, begin, end);
    else copy_pixels<8>(plan, from, to, begin, end);
    if (!plan.sigmoid) return;
    for (float* rows = to + begin * plan.row; rows < to + plan.target_image; rows += plan.pixels * plan.row) {
      float_kernels().sigmoid(rows, rows, (end - begin) * plan.row);
    }
  });
}

std::optional<KernelChoice> channels_last(const KernelRequest& request, int64_t groups) {
  const Layout layout = request.input_layouts[0];
  const bool blocked = !layout.plain() && !layout.codes() && (layout.block == 8 || layout.block == 16);
  if (!request.all_float() || !blocked || request.output_shape().element_count() == 0) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts = {layout};
  choice.output_layouts = {Layout{}};
  const bool sigmoid = request.node.attr_int("sigmoid", 0) != 0;
  choice.kernel = make_kernel([plan = plan_channels_last(request.input_shape(0), layout, groups, sigmoid)](const KernelArgs& args) {
    run(plan, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]));
  });
  return choice;
}

// 0, 2, ..., rank - 1, 1
std::optional<KernelChoice> transpose(const KernelRequest& request) {
  const std::vector<int64_t> perm = request.node.attr_ints("perm");
  const auto rank = static_cast<int64_t>(perm.size());
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t expected = i == 0 ? 0 : i + 1 < rank ? i + 1 : 1;
    if (perm[static_cast<size_t>(i)] != expected) return std::nullopt;
  }
  return rank >= 3 ? channels_last(request, 1) : std::nullopt;
}

}  // namespace

void register_channels_last(Registry& registry) {
  registry.add("Transpose", transpose);
  // [N, G * K, spatial...] to [N, G, spatial..., K].
  registry.add(kChannelsLastStep, [](const KernelRequest& request) { return channels_last(request, request.output_shape()[1]); });
}

}  // namespace qtool::exec
