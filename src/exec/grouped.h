// Convolutions with groups, depthwise ones included, of one to three spatial axes, where groups and channel blocks do not
// fall together: oneDNN then multiplies group by group on row-major memory, or runs plain loops.
//
// Two forms (simd/grouped.inc): few inputs a group are arranged lane by lane, which wastes no multiplication; wide groups
// are a dense product over the input channels that a block of outputs reads, zero weights between.
#pragma once

#include <optional>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

// Float only. nullopt where the layer is of another kind. Correct for every group count above 1; whether it pays is the
// caller's question.
[[nodiscard]] std::optional<KernelChoice> grouped_conv(const KernelRequest& request);

}  // namespace qtool::exec
