// Dense 1x1 stride-1 convolutions as one matrix product over channels, on channel-blocked memory.
#pragma once

#include <optional>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

// Float only. nullopt where the layer is of another kind.
[[nodiscard]] std::optional<KernelChoice> pointwise_conv(const KernelRequest& request);

}  // namespace qtool::exec
