// Random probes for Jacobians: with signs u, E[(J'u)(J'u)'] = J'J.
#pragma once

#include <cstdint>

#include "qtool/tensor/tensor.h"

namespace qtool::rounding {

// +1 or -1, by (seed, image, probe) alone.
[[nodiscard]] Tensor random_signs(const TensorType& type, uint64_t seed, uint64_t image, uint64_t probe);

}  // namespace qtool::rounding
