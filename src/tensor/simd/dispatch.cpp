#include <atomic>
#include <string>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"
#include "qtool/tensor/simd.h"

namespace qtool::simd {

namespace generic { extern const Kernels kTable; }
#if defined(__x86_64__)
namespace avx2 { extern const Kernels kTable; }
namespace avx512 { extern const Kernels kTable; }
#endif

namespace {

const Kernels& table(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512::kTable;
  if (isa == Isa::kAvx2) return avx2::kTable;
#endif
  (void)isa;
  return generic::kTable;
}

// Set once at start-up by `--isa`; everything else only reads it.
std::atomic<const Kernels*> active{nullptr};

}  // namespace

Isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    return Isa::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::kAvx2;
#endif
  return Isa::kGeneric;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return "generic";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "generic";
}

const Kernels& kernels() {
  const Kernels* chosen = active.load(std::memory_order_acquire);
  if (chosen == nullptr) {
    chosen = &table(best_isa());
    active.store(chosen, std::memory_order_release);
  }
  return *chosen;
}

void pin_isa(std::string_view name) {
  static const std::vector<std::string> kNames = {"auto", "generic", "avx2", "avx512"};
  Isa wanted = best_isa();
  if (name == "generic") wanted = Isa::kGeneric;
  else if (name == "avx2") wanted = Isa::kAvx2;
  else if (name == "avx512") wanted = Isa::kAvx512;
  else if (name != "auto") {
    throw Error(ErrorCode::kUsage, format("unknown instruction set '{}'{} (use auto, generic, avx2 or avx512)", name,
                                          did_you_mean(name, kNames)));
  }
  if (wanted > best_isa()) {
    throw Error(ErrorCode::kUsage,
                format("this CPU does not run {}; its best is {}", name, isa_name(best_isa())));
  }
  active.store(&table(wanted), std::memory_order_release);
}

}  // namespace qtool::simd
