#include "qtool/tensor/permutation.h"

#include <algorithm>
#include <numeric>

namespace qtool {

ReducedPermutation reduce_permutation(const AxisPermutation& permutation) {
  const Shape& source = permutation.source;
  std::vector<int64_t> place(source.rank(), 0);  // of an axis among those longer than 1
  int64_t long_axes = 0;
  for (size_t axis = 0; axis < source.rank(); ++axis) place[axis] = source[axis] == 1 ? -1 : long_axes++;
  std::vector<int64_t> first_axes, extents;  // of each run of neighbours, in the order of the result
  int64_t expected = -1;
  for (const int64_t axis : permutation.perm) {
    const auto at = static_cast<size_t>(axis);
    if (source[at] == 1) continue;
    if (place[at] == expected) {
      extents.back() *= source[at];
    } else {
      first_axes.push_back(place[at]);
      extents.push_back(source[at]);
    }
    expected = place[at] + 1;
  }
  std::vector<int64_t> sorted = first_axes;
  std::ranges::sort(sorted);
  ReducedPermutation result{.dims = std::vector<int64_t>(extents.size()), .perm = {}};
  for (size_t i = 0; i < first_axes.size(); ++i) {
    const auto run = std::ranges::lower_bound(sorted, first_axes[i]) - sorted.begin();
    result.dims[static_cast<size_t>(run)] = extents[i];
    result.perm.push_back(run);
  }
  return result;
}

std::vector<int64_t> permuted_dims(std::span<const int64_t> dims, std::span<const int64_t> perm) {
  std::vector<int64_t> result;
  for (const int64_t axis : perm) result.push_back(dims[static_cast<size_t>(axis)]);
  return result;
}

std::vector<int64_t> reversed_axes(size_t rank) {
  std::vector<int64_t> axes(rank);
  std::iota(axes.rbegin(), axes.rend(), int64_t{0});
  return axes;
}

}  // namespace qtool
