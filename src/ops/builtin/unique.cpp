// Unique: distinct elements of the flattened input, or distinct slices along axis; with the index of the first
// occurrence, the index of every input slice in the result, and counts.
#include <algorithm>
#include <numeric>

#include "axes.h"
#include "nan_order.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

struct Groups {
  std::vector<int64_t> first;    // slice of the first occurrence, in result order
  std::vector<int64_t> inverse;  // group of every slice
  std::vector<int64_t> counts;
};

// Groups equal slices of the view. `sorted` orders groups by value, else by first occurrence.
template <class T>
Groups group_slices(const Tensor& input, const AxisView& view, bool sorted) {
  const NanLast less;
  const T* values = elements<T>(input);
  const auto compare = [&](int64_t a, int64_t b) {  // -1, 0, 1
    for (int64_t o = 0; o < view.outer; ++o) {
      const T* x = values + (o * view.length + a) * view.inner;
      const T* y = values + (o * view.length + b) * view.inner;
      for (int64_t i = 0; i < view.inner; ++i) {
        if (less(x[i], y[i])) return -1;
        if (less(y[i], x[i])) return 1;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(view.length));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return compare(a, b) < 0; });

  Groups groups;
  groups.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
  }
  if (sorted) return groups;

  std::vector<int64_t> by_occurrence(groups.first.size()), rank(groups.first.size());
  std::iota(by_occurrence.begin(), by_occurrence.end(), int64_t{0});
  const auto first_of = [&](int64_t group) { return groups.first[static_cast<size_t>(group)]; };
  std::sort(by_occurrence.begin(), by_occurrence.end(), [&](int64_t a, int64_t b) { return first_of(a) < first_of(b); });
  Groups reordered = groups;
  for (size_t i = 0; i < by_occurrence.size(); ++i) {
    const auto from = static_cast<size_t>(by_occurrence[i]);
    rank[from] = static_cast<int64_t>(i);
    reordered.first[i] = groups.first[from];
    reordered.counts[i] = groups.counts[from];
  }
  for (int64_t& group : reordered.inverse) group = rank[static_cast<size_t>(group)];
  return reordered;
}

Tensor index_tensor(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>(Shape{static_cast<int64_t>(values.size())}, std::span(values));
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const bool sorted = context.node().attr_int("sorted", 1) != 0;
  AxisView view{1, input.element_count(), 1};
  std::optional<size_t> axis;
  if (context.node().has_attribute("axis")) {
    axis = input.shape().normalize_axis(context.node().attr_int("axis", 0));
    view = view_around(input.shape(), *axis);
  }
  std::vector<Tensor> results;
  dispatch_dtype(input.dtype(), [&]<class T>() {
    const Groups groups = group_slices<T>(input, view, sorted);
    const auto count = static_cast<int64_t>(groups.first.size());
    Shape shape{count};
    if (axis) {
      shape = input.shape();
      shape[*axis] = count;
    }
    Tensor distinct(input.dtype(), std::move(shape));
    T* target = mutable_elements<T>(distinct);
    for (int64_t o = 0; o < view.outer; ++o) {
      for (const int64_t slice : groups.first) {
        target = std::copy_n(elements<T>(input) + (o * view.length + slice) * view.inner, view.inner, target);
      }
    }
    results = {std::move(distinct), index_tensor(groups.first), index_tensor(groups.inverse), index_tensor(groups.counts)};
  });
  results.resize(std::clamp<size_t>(context.output_count(), 1, results.size()));
  return results;
}

}  // namespace

void register_unique(Registry& registry) {
  registry.add({.type = "Unique",
                .first_opset = 11,
                .infer = [](const InferContext& context) { return InferredTypes(context.output_count()); },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
