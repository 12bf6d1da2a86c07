// Direct convolutions of any group count and of one to three spatial axes on channel blocks. For those that oneDNN has no
// kernel for on channel blocks: with AVX2 and AVX-512 groups that do not fall together with blocks, elsewhere all.
//
// Two forms (simd/grouped.inc): few inputs a group are arranged lane by lane, which wastes no multiplication; wide groups
// are a dense product over the input channels that a block of outputs reads, zero weights between.
#pragma once

#include <optional>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

// With bias and fused activation. nullopt where the layer is of another kind; whether it pays is the caller's question.
[[nodiscard]] std::optional<KernelChoice> grouped_conv(const KernelRequest& request);

// The bare sums, with these weights instead of input 1: integers stay exact below 2^24.
[[nodiscard]] std::optional<KernelChoice> grouped_sums(const KernelRequest& request, const Tensor& weights);

}  // namespace qtool::exec
