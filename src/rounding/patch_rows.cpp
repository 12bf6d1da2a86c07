#include "patch_rows.h"

#include <algorithm>
#include <array>

namespace qtool::rounding {

namespace {

// Input coordinate that tap `k` of output coordinate `o` reads, or -1.
int64_t source(const ops::Window3d& w, LayerKind kind, size_t axis, int64_t o, int64_t k) {
  int64_t at = 0;
  if (kind == LayerKind::kConv) {
    at = o * w.strides[axis] + k * w.dilations[axis] - w.pads_begin[axis];
  } else {
    const int64_t reached = o + w.pads_begin[axis] - k * w.dilations[axis];
    if (reached < 0 || reached % w.strides[axis] != 0) return -1;
    at = reached / w.strides[axis];
  }
  return at >= 0 && at < w.input[axis] ? at : -1;
}

}  // namespace

PatchRows::PatchRows(const ir::Graph& graph, const LayerSite& site) : kind_(site.kind), shape_(site.shape) {
  const Shape& input = graph.type_of(site.input).shape;
  if (kind_ == LayerKind::kMatrix) {
    pixels_ = input.element_count() / shape_.inputs;
    return;
  }
  const Shape& weight = graph.type_of(site.weight).shape;
  const ir::Node& node = graph.node(site.node);
  window_ = ops::as_window_3d(kind_ == LayerKind::kConv ? ops::conv_window(node, input, weight)
                                                        : ops::conv_transpose_window(node, input, weight), input);
  input_channels_ = input[1];
  output_plane_ = window_->output_count();
  pixels_ = input[0] * output_plane_;
}

void PatchRows::gather_inputs(std::span<const float> input, std::span<const int64_t> pixels, float* rows) const {
  for (size_t i = 0; i < pixels.size(); ++i) {
    float* row = rows + static_cast<int64_t>(i) * shape_.row();
    if (kind_ == LayerKind::kMatrix) std::copy_n(input.data() + pixels[i] * shape_.inputs, shape_.inputs, row);
    else gather_window(input, pixels[i], row);
  }
}

void PatchRows::gather_window(std::span<const float> input, int64_t pixel, float* row) const {
  const ops::Window3d& w = *window_;
  const int64_t position = pixel % output_plane_, plane = w.input_count(), taps = w.kernel_count();
  const float* image = input.data() + pixel / output_plane_ * input_channels_ * plane;
  const std::array<int64_t, 3> at = {position / (w.output[1] * w.output[2]), position / w.output[2] % w.output[1], position % w.output[2]};
  int64_t tap = 0;
  for (int64_t a = 0; a < w.kernel[0]; ++a) {
    for (int64_t b = 0; b < w.kernel[1]; ++b) {
      for (int64_t c = 0; c < w.kernel[2]; ++c, ++tap) {
        const int64_t d = source(w, kind_, 0, at[0], a), y = source(w, kind_, 1, at[1], b), x = source(w, kind_, 2, at[2], c);
        const bool inside = d >= 0 && y >= 0 && x >= 0;
        const float* from = inside ? image + (d * w.input[1] + y) * w.input[2] + x : nullptr;
        for (int64_t channel = 0; channel < input_channels_; ++channel) {
          row[channel * taps + tap] = inside ? from[channel * plane] : 0.0f;
        }
      }
    }
  }
}

void PatchRows::add_outputs(std::span<const float> output, std::span<const int64_t> pixels, float factor, float* rows) const {
  const int64_t channels = shape_.channels();
  for (size_t i = 0; i < pixels.size(); ++i) {
    float* row = rows + static_cast<int64_t>(i) * channels;
    const bool matrix = kind_ == LayerKind::kMatrix;
    const int64_t stride = matrix ? 1 : output_plane_;
    const float* from = matrix ? output.data() + pixels[i] * channels
                               : output.data() + pixels[i] / output_plane_ * channels * output_plane_ + pixels[i] % output_plane_;
    for (int64_t c = 0; c < channels; ++c) row[c] += factor * from[c * stride];
  }
}

}  // namespace qtool::rounding
