#include "qtool/exec/fma_probe.h"

#include <chrono>

#include "qtool/support/parallel.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

double fma_probe_gflops(int threads) {
  using Clock = std::chrono::steady_clock;
  const FloatKernels& kernels = float_kernels();
  (void)kernels.multiply_add_loop(1 << 16);  // wakes the wide units
  // Doubles the work until the loop is long enough for thread start-up not to count.
  for (int64_t rounds = 1 << 18;; rounds *= 2) {
    const auto start = Clock::now();
    parallel_for(threads, threads, [&](int64_t, int) { (void)kernels.multiply_add_loop(rounds); });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (seconds < 0.02) continue;
    return static_cast<double>(threads) * static_cast<double>(rounds) * kernels.flops_per_round / seconds / 1e9;
  }
}

}  // namespace qtool::exec
