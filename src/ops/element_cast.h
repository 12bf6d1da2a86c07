// Element type conversion with defined results for every input.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "typed_kernel.h"

namespace qtool::ops {

// Floating point to integer truncates toward zero. Values no int64 can hold saturate there and NaN becomes 0; the
// narrowing to shorter integers keeps the low bits, as the usual hardware conversions do (the standard leaves all
// of this open). Narrowing to 4 bits is done by wrap_to_four_bits.
template <class To, class From>
To cast_element(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<Compute<From>>(value) != Compute<From>(0);
  } else if constexpr (kIsSmallFloat<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<To> && kIsFloat<From>) {
    const auto real = static_cast<double>(static_cast<Compute<From>>(value));
    if (std::isnan(real)) return To{0};
    if (real >= 0x1p63) {
      if (std::is_same_v<To, uint64_t> && real < 0x1p64) return static_cast<To>(static_cast<uint64_t>(real));
      return std::numeric_limits<To>::max();
    }
    if (real < -0x1p63) return std::numeric_limits<To>::min();
    return static_cast<To>(static_cast<int64_t>(real));
  } else {
    return static_cast<To>(static_cast<Compute<From>>(value));
  }
}

// Tensor conversion by cast_element; shares the buffer when nothing changes.
[[nodiscard]] Tensor cast_tensor(const Tensor& source, DType dtype);

}  // namespace qtool::ops
