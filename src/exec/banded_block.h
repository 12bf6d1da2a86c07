// Expansion, depthwise and projection of a block in one step, band by band: the wide maps between them, often several times
// as large as the second-level cache, are never written to memory.
//
// A band is a few output rows. For one chunk of wide channels after another its new input rows are expanded, the depthwise
// rows computed from them and from the last rows of the band before, and multiplied into the output rows, where the partial
// sums of the chunks add up. Inner loops: simd/pointwise.inc, simd/depthwise_row.inc.
#pragma once

#include <optional>

#include "block_chain.h"
#include "qtool/exec/kernel.h"

namespace qtool::exec {

// Whether that is faster than the three layers alone. A rule of shapes.
[[nodiscard]] bool banded_block_pays(const ir::Graph& graph, const BlockChain& chain);

// Reads input 0, the chain's source, and gives output 0, its result; everything else is packed.
[[nodiscard]] KernelChoice banded_block(const ir::Graph& graph, const BlockChain& chain);

}  // namespace qtool::exec
