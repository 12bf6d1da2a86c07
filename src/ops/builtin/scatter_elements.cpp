// ScatterElements, and Scatter as it was called before opset 11: the inverse walk of GatherElements.
#include "axes.h"
#include "qtool/ops/registry.h"
#include "scatter_reduction.h"
#include "strided_loop.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 2);
  const Shape& data = operand_shape(context, 0);
  const Shape& indices = operand_shape(context, 1);
  (void)data.normalize_axis(context.node().attr_int("axis", 0));
  if (indices.rank() != data.rank() || indices != operand_shape(context, 2)) {
    invalid_model("data {}, indices {} and updates {} do not fit each other", data.text(), indices.text(),
                  operand_shape(context, 2).text());
  }
  for (size_t d = 0; d < data.rank(); ++d) {
    if (indices[d] > data[d] && d != data.normalize_axis(context.node().attr_int("axis", 0))) {
      invalid_model("indices of shape {} exceed data of shape {}", indices.text(), data.text());
    }
  }
  return {operand_type(context, 0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  (void)types(context);
  const Tensor& updates = context.input(2);
  Tensor result = context.input(0).clone();
  const size_t axis = result.shape().normalize_axis(context.node().attr_int("axis", 0));
  const ScatterReduction reduction = scatter_reduction(context.node());
  const std::vector<int64_t> indices = context.input(1).to_int64();
  std::vector<int64_t> strides = result.shape().strides();
  const int64_t axis_stride = strides[axis], length = result.shape()[axis];
  strides[axis] = 0;  // the index moves along the axis instead
  const StridedLoop<1> loop(updates.shape().dims(), {strides});
  const int64_t step = loop.run_step(0);
  dispatch_dtype(result.dtype(), [&]<class T>() {
    const T* update = elements<T>(updates);
    const int64_t* index = indices.data();
    loop.for_each_run([&](const auto& offsets, int64_t run) {
      T* target = mutable_elements<T>(result) + offsets[0];
      for (int64_t i = 0; i < run; ++i) {
        scatter_into(target[i * step + checked_index(*index++, length) * axis_stride], *update++, reduction);
      }
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_scatter_elements(Registry& registry) {
  registry.add({.type = "ScatterElements", .first_opset = 11, .infer = types<InferContext>, .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kJoinsInputs}});
  registry.add({.type = "Scatter", .first_opset = 9, .infer = types<InferContext>, .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kJoinsInputs}});
}

}  // namespace qtool::ops
