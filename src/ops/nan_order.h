// A strict weak order of every element type: NaN comes after all numbers, so that sorting stays well defined.
#pragma once

#include <cmath>

#include "typed_kernel.h"

namespace qtool::ops {

struct NanLast {
  template <class T>
  bool operator()(T a, T b) const {
    if constexpr (kIsFloat<T>) {
      const auto x = static_cast<Compute<T>>(a), y = static_cast<Compute<T>>(b);
      return std::isnan(y) ? !std::isnan(x) : x < y;
    } else {
      return a < b;
    }
  }
};

}  // namespace qtool::ops
