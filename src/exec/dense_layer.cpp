#include "dense_layer.h"

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

std::vector<float> padded_bias(const KernelRequest& request, int64_t lanes) {
  const Tensor* constant = request.constant(2);
  if (constant == nullptr) return {};
  std::vector<float> bias = constant->to_float();
  bias.resize(static_cast<size_t>(lanes), 0.0f);
  return bias;
}

}  // namespace qtool::exec
