// A transposition of many axes as a chain of transpositions of few.
#pragma once

#include <vector>

#include "qtool/tensor/permutation.h"

namespace qtool::passes {

// One after another, on row-major memory, the steps do what `whole` does; each has at most `most_axes` (3 or more) axes.
// Greedy: every step is the one after which the fewest axes are left to be moved.
[[nodiscard]] std::vector<ReducedPermutation> split_permutation(ReducedPermutation whole, size_t most_axes);

}  // namespace qtool::passes
