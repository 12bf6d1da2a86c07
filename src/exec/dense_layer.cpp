#include "dense_layer.h"

#include <algorithm>

namespace qtool::exec {

Finish finish_of(const FusedActivation& activation) {
  switch (activation.kind) {
    case FusedActivation::Kind::kNone: break;
    case FusedActivation::Kind::kRelu: return {Finish::kRelu, 0.0f, 0.0f};
    case FusedActivation::Kind::kClip: return {Finish::kClip, activation.lo, activation.hi};
    case FusedActivation::Kind::kSilu: return {Finish::kSilu, 0.0f, 0.0f};
  }
  return {Finish::kNone, 0.0f, 0.0f};
}

std::vector<float> padded_bias(const Tensor* bias, int64_t lanes) {
  if (bias == nullptr) return {};
  std::vector<float> padded = bias->to_float();
  padded.resize(static_cast<size_t>(lanes), 0.0f);
  return padded;
}

bool is_pointwise(const ir::Node& conv, const ops::WindowParams& window) {
  const auto all = [](const std::vector<int64_t>& values, int64_t value) {
    return std::all_of(values.begin(), values.end(), [value](int64_t v) { return v == value; });
  };
  return conv.attr_int("group", 1) == 1 && all(window.kernel, 1) && all(window.strides, 1) && all(window.pads_begin, 0) &&
         all(window.pads_end, 0);
}

Tensor pack_pointwise(const Tensor& weights, int64_t first, int64_t count, int64_t block) {
  const int64_t out_channels = weights.shape()[0], in_channels = weights.shape()[1];
  const int64_t out_blocks = (out_channels + block - 1) / block;
  Tensor packed(DType::kFloat32, {count * out_blocks * block});
  float* to = packed.mutable_data<float>().data();
  const float* from = weights.data<float>().data() + first;
  for (int64_t o = 0; o < out_channels; ++o) {
    const int64_t first_block = o / (kOutGroup * block) * kOutGroup;
    const int64_t width = std::min(kOutGroup, out_blocks - first_block) * block;
    float* group = to + first_block * block * count + (o - first_block * block);
    for (int64_t i = 0; i < count; ++i) group[i * width] = from[o * in_channels + i];
  }
  return packed;
}

}  // namespace qtool::exec
