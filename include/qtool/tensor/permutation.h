// A transposition in its smallest form, by which two of them can be compared whatever axes they were written with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtool/tensor/shape.h"

namespace qtool {

struct AxisPermutation {
  Shape source;
  std::vector<int64_t> perm;  // axis i of the result is axis perm[i] of the source
};

// Axes of extent 1 are left out and axes that stay neighbours are one. Equal forms move row-major elements equally.
// Nothing moves when fewer than two axes are left.
struct ReducedPermutation {
  std::vector<int64_t> dims;  // of the source
  std::vector<int64_t> perm;
  bool operator==(const ReducedPermutation&) const = default;
};

// `perm` holds every axis of the source once.
[[nodiscard]] ReducedPermutation reduce_permutation(const AxisPermutation& permutation);

// Extents in the order of the result.
[[nodiscard]] std::vector<int64_t> permuted_dims(std::span<const int64_t> dims, std::span<const int64_t> perm);

// The attribute of a Transpose that was left out: all axes in reverse.
[[nodiscard]] std::vector<int64_t> reversed_axes(size_t rank);

}  // namespace qtool
