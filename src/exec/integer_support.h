// Whether 8-bit integer products may be left to oneDNN on this machine.
#pragma once

namespace qtool::exec {

// Computes convolutions whose sums would saturate in 16 bits (every activation 255, weights of +-127) once a process,
// in the shapes that lead to different implementations, and compares with exact sums. Processors without dot-product
// instructions for 8-bit integers fail.
[[nodiscard]] bool integer_products_are_exact();

// The above, and the instruction set is the best of this machine: a pinned one means what it says.
[[nodiscard]] bool integer_kernels_usable();

}  // namespace qtool::exec
