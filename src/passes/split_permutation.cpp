#include "split_permutation.h"

#include <algorithm>
#include <numeric>

#include "qtool/support/error.h"

namespace qtool::passes {

namespace {

using Axes = std::vector<int64_t>;

// Calls visit(ends) for every way to cut `axes` axes into `runs` runs; ends[i] is where run i ends.
template <class Visit>
void each_cut(int64_t axes, size_t runs, Axes& ends, const Visit& visit) {
  const int64_t first = ends.empty() ? 1 : ends.back() + 1;
  if (ends.size() + 1 == runs) {
    ends.push_back(axes);
    visit(ends);
    ends.pop_back();
    return;
  }
  for (int64_t end = first; end < axes; ++end) {
    ends.push_back(end);
    each_cut(axes, runs, ends, visit);
    ends.pop_back();
  }
}

// Calls visit(order) with the axes after each re-ordering of `runs` runs of them.
template <class Visit>
void each_reordering(size_t axes, size_t runs, const Visit& visit) {
  Axes ends;
  each_cut(static_cast<int64_t>(axes), runs, ends, [&](const Axes& cut) {
    Axes sequence(runs);
    std::iota(sequence.begin(), sequence.end(), int64_t{0});
    do {
      Axes order;
      for (const int64_t run : sequence) {
        const auto at = static_cast<size_t>(run);
        for (int64_t axis = at == 0 ? 0 : cut[at - 1]; axis < cut[at]; ++axis) order.push_back(axis);
      }
      visit(order);
    } while (std::ranges::next_permutation(sequence).found);
  });
}

// What is left to do of `whole` once its source axes stand in that order.
ReducedPermutation rest_after(const ReducedPermutation& whole, const Axes& order) {
  Axes place(order.size()), perm;
  for (size_t i = 0; i < order.size(); ++i) place[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  for (const int64_t axis : whole.perm) perm.push_back(place[static_cast<size_t>(axis)]);
  return reduce_permutation({Shape(permuted_dims(whole.dims, order)), perm});
}

}  // namespace

std::vector<ReducedPermutation> split_permutation(ReducedPermutation whole, size_t most_axes) {
  QTOOL_CHECK(most_axes >= 3);
  std::vector<ReducedPermutation> steps;
  while (whole.dims.size() > most_axes) {
    Axes best;
    ReducedPermutation rest = whole;
    each_reordering(whole.dims.size(), most_axes, [&](const Axes& order) {
      ReducedPermutation left = rest_after(whole, order);
      if (left.dims.size() >= rest.dims.size()) return;
      rest = std::move(left);
      best = order;
    });
    QTOOL_CHECK(!best.empty());  // bringing two neighbours of the result together takes three runs
    steps.push_back(reduce_permutation({Shape(whole.dims), best}));
    whole = std::move(rest);
  }
  if (whole.dims.size() >= 2) steps.push_back(std::move(whole));
  return steps;
}

}  // namespace qtool::passes
