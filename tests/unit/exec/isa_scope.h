// Pins the instruction set of the hot loops for one scope.
#pragma once

#include <string>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec::testing {

class IsaScope {
 public:
  explicit IsaScope(const std::string& isa) { simd::pin_isa(isa); }
  ~IsaScope() { simd::pin_isa("auto"); }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;
};

inline std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const char* name : {"generic", "avx2", "avx512"}) {
    try {
      const IsaScope scope(name);
      names.emplace_back(name);
    } catch (const Error&) {
      continue;  // this CPU cannot run it
    }
  }
  return names;
}

}  // namespace qtool::exec::testing
