// BatchNormalization that no convolution could take in: one multiply-add a channel, in the layout the input lies in.
#include <cmath>

#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

struct ChannelLine {
  std::vector<float> scale, shift;  // by channel, zeros in padding lanes
};

std::optional<ChannelLine> fold(const KernelRequest& request, int64_t lanes) {
  const Tensor* parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    parameters[i] = request.constant(i + 1);
    if (parameters[i] == nullptr || parameters[i]->element_count() != request.input_shape(0)[1]) return std::nullopt;
  }
  const auto gamma = parameters[0]->to_float(), beta = parameters[1]->to_float();
  const auto mean = parameters[2]->to_float(), variance = parameters[3]->to_float();
  const double epsilon = request.node.attr_float("epsilon", 1e-5f);
  ChannelLine line{std::vector<float>(static_cast<size_t>(lanes), 0.0f), std::vector<float>(static_cast<size_t>(lanes), 0.0f)};
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(variance[c] + epsilon);
    line.scale[c] = static_cast<float>(scale);
    line.shift[c] = static_cast<float>(beta[c] - mean[c] * scale);
  }
  return line;
}

std::optional<KernelChoice> batch_norm(const KernelRequest& request) {
  const Shape& shape = request.input_shape(0);
  if (!request.all_float() || shape.rank() < 2 || shape.element_count() == 0 || request.node.outputs.size() != 1) return std::nullopt;
  if (request.node.attr_int("training_mode", 0) != 0 || request.node.attr_int("spatial", 1) == 0) return std::nullopt;
  const Layout layout = request.input_layouts[0];
  const int64_t blocks = (shape[1] + layout.block - 1) / layout.block, spatial = shape.span_count(2, shape.rank());
  auto line = fold(request, blocks * layout.block);
  if (!line) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts.assign(5, Layout{});
  choice.input_layouts[0] = layout;
  choice.input_absorbed = {false, true, true, true, true};
  choice.output_layouts = {layout};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([line = std::move(*line), images = shape[0], blocks, spatial, lanes = layout.block](const KernelArgs& args) {
    const simd::Kernels& simd = simd::kernels();
    for (int64_t i = 0; i < images * blocks; ++i) {
      const float* x = static_cast<const float*>(args.in[0]) + i * spatial * lanes;
      float* y = static_cast<float*>(args.out[0]) + i * spatial * lanes;
      const float* scale = line.scale.data() + i % blocks * lanes;
      const float* shift = line.shift.data() + i % blocks * lanes;
      if (lanes == 1) simd.affine(x, y, spatial, *scale, *shift);
      else simd.affine_lanes(x, y, spatial, lanes, scale, shift);
    }
  });
  return choice;
}

}  // namespace

void register_batch_norm(Registry& registry) { registry.add("BatchNormalization", batch_norm); }

}  // namespace qtool::exec
