// Dense 3x3 stride-1 convolutions by Winograd F(4x4, 3x3): a quarter of the multiplications of the direct form.
//
// Float only: transformed weights are no integers, and the rms error is some 1e-6 of the result. Bias and activation are
// applied in registers. Tiles are worked on in blocks that stay in the second-level cache.
#pragma once

#include <optional>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

// nullopt where the layer is of another kind, or where the direct form is as fast (few channels, few tiles).
[[nodiscard]] std::optional<KernelChoice> winograd_conv(const KernelRequest& request);

}  // namespace qtool::exec
