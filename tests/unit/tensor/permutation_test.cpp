#include "qtool/tensor/permutation.h"

#include <gtest/gtest.h>

namespace qtool {
namespace {

using Axes = std::vector<int64_t>;

TEST(ReducePermutation, LeavesOutAxesOfExtentOneAndJoinsNeighbours) {
  const ReducedPermutation window = reduce_permutation({{1, 3, 2, 2, 2, 8}, {0, 1, 3, 2, 4, 5}});
  EXPECT_EQ(window.dims, (Axes{3, 2, 2, 16}));
  EXPECT_EQ(window.perm, (Axes{0, 2, 1, 3}));
}

TEST(ReducePermutation, JoinsWhatAnAxisOfExtentOneSeparates) {
  const ReducedPermutation moved = reduce_permutation({{2, 1, 3, 4}, {3, 0, 1, 2}});
  EXPECT_EQ(moved.dims, (Axes{6, 4}));
  EXPECT_EQ(moved.perm, (Axes{1, 0}));
}

TEST(ReducePermutation, NothingMoves) {
  EXPECT_LT(reduce_permutation({{1, 5, 1}, {2, 1, 0}}).dims.size(), 2u);
  EXPECT_LT(reduce_permutation({{2, 3, 4}, {0, 1, 2}}).dims.size(), 2u);
  EXPECT_TRUE(reduce_permutation({{}, {}}).dims.empty());
}

TEST(ReducePermutation, EqualFormsWhateverTheAxes) {
  EXPECT_EQ(reduce_permutation({{1, 2, 3, 3, 4, 5}, {0, 1, 4, 2, 5, 3}}), reduce_permutation({{2, 3, 3, 4, 5}, {0, 3, 1, 4, 2}}));
  EXPECT_NE(reduce_permutation({{2, 3, 4}, {1, 0, 2}}), reduce_permutation({{2, 3, 4}, {0, 2, 1}}));
}

TEST(PermutedDims, AreThoseOfTheResult) {
  EXPECT_EQ(permuted_dims(Axes{2, 3, 4}, Axes{2, 0, 1}), (Axes{4, 2, 3}));
  EXPECT_EQ(reversed_axes(3), (Axes{2, 1, 0}));
}

}  // namespace
}  // namespace qtool
