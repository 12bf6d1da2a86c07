// TopK along one axis; of equal elements the one with the lower index comes first, NaN counts as the largest. k is
// an attribute before opset 10. Results are sorted even when `sorted` allows any order.
#include <algorithm>
#include <numeric>

#include "axes.h"
#include "nan_order.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

constexpr int64_t kInputSince = 10;

template <class Context>
InferredTypes types(const Context& context) {
  const ir::Node& node = context.node();
  Shape shape = operand_shape(context, 0);
  require_numeric(operand_dtype(context, 0));
  const size_t axis = shape.normalize_axis(node.attr_int("axis", -1));
  int64_t k = 0;
  if (node.opset < kInputSince) {
    if (!node.has_attribute("k")) invalid_model("attribute k is missing");
    k = node.attr_int("k", 0);
  } else {
    if (!context.has_input(1)) invalid_model("input 1 (k) is missing");
    const Tensor* value = known_operand(context, 1);
    if (value == nullptr) return {std::nullopt, std::nullopt};
    k = single_int(*value, "k");
  }
  if (k < 0 || k > shape[axis]) invalid_model("k is {} on an axis of length {}", k, shape[axis]);
  shape[axis] = k;
  return {TensorType{operand_dtype(context, 0), shape}, TensorType{DType::kInt64, shape}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const InferredTypes result_types = types(context);
  Tensor values(settled(result_types, 0)), indices(settled(result_types, 1));
  const size_t axis = input.shape().normalize_axis(context.node().attr_int("axis", -1));
  const AxisView view = view_around(input.shape(), axis);
  const int64_t k = values.shape()[axis];
  const bool largest = context.node().attr_int("largest", 1) != 0;
  if (values.empty()) return {std::move(values), std::move(indices)};
  std::vector<int64_t> order(static_cast<size_t>(view.length));
  int64_t* index_target = indices.mutable_data<int64_t>().data();
  dispatch_numeric(input.dtype(), [&]<class T>() {
    const NanLast less;
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const T* line = elements<T>(input) + o * view.length * view.inner + i;
        const auto before = [&](int64_t a, int64_t b) {
          const T x = line[a * view.inner], y = line[b * view.inner];
          if (largest ? less(y, x) : less(x, y)) return true;
          if (largest ? less(x, y) : less(y, x)) return false;
          return a < b;
        };
        std::iota(order.begin(), order.end(), int64_t{0});
        std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
        T* value_target = mutable_elements<T>(values);
        for (int64_t r = 0; r < k; ++r) {
          const int64_t at = (o * k + r) * view.inner + i;
          value_target[at] = line[order[static_cast<size_t>(r)] * view.inner];
          index_target[at] = order[static_cast<size_t>(r)];
        }
      }
    }
  });
  return {std::move(values), std::move(indices)};
}

}  // namespace

void register_top_k(Registry& registry) {
  registry.add({.type = "TopK",
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
