// What this machine gives right now: multiply-adds in registers, nothing else.
#pragma once

namespace qtool::exec {

// GFLOP/s of `threads` threads together, two operations a multiply-add, at the vector width of the instruction set in
// use. Takes some 30 ms. On the generic set multiply and add are two instructions.
[[nodiscard]] double fma_probe_gflops(int threads);

}  // namespace qtool::exec
