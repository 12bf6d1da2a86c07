#include "probes.h"

#include "sampling.h"

namespace qtool::rounding {

namespace {

constexpr uint64_t kProbeStream = 0x50524F42;

}  // namespace

Tensor random_signs(const TensorType& type, uint64_t seed, uint64_t image, uint64_t probe) {
  Tensor tensor(DType::kFloat32, type.shape);
  const auto values = tensor.mutable_data<float>();
  uint64_t bits = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 64 == 0) bits = hashed(seed ^ kProbeStream, image, probe, i / 64);
    values[i] = (bits >> (i % 64) & 1u) != 0 ? 1.0f : -1.0f;
  }
  return tensor;
}

}  // namespace qtool::rounding
