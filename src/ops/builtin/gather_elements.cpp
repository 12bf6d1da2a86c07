// GatherElements: result[.., i, ..] = data[.., indices[.., i, ..], ..] along one axis.
#include "axes.h"
#include "qtool/ops/registry.h"
#include "strided_loop.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& data = operand_shape(context, 0);
  const Shape& indices = operand_shape(context, 1);
  const size_t axis = data.normalize_axis(context.node().attr_int("axis", 0));
  bool fits = data.rank() == indices.rank();
  for (size_t d = 0; fits && d < data.rank(); ++d) fits = d == axis || indices[d] <= data[d];
  if (!fits) invalid_model("indices of shape {} do not fit data of shape {}", indices.text(), data.text());
  return {TensorType{operand_dtype(context, 0), indices}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& data = context.input(0);
  Tensor result(settled(types(context)));
  const size_t axis = data.shape().normalize_axis(context.node().attr_int("axis", 0));
  const std::vector<int64_t> indices = context.input(1).to_int64();
  std::vector<int64_t> strides = data.shape().strides();
  const int64_t axis_stride = strides[axis], length = data.shape()[axis];
  strides[axis] = 0;  // the index moves along the axis instead
  const StridedLoop<1> loop(result.shape().dims(), {strides});
  const int64_t step = loop.run_step(0);
  dispatch_element_size(data.dtype(), [&]<class T>() {
    T* target = mutable_elements<T>(result);
    const int64_t* index = indices.data();
    loop.for_each_run([&](const auto& offsets, int64_t run) {
      const T* source = elements<T>(data) + offsets[0];
      for (int64_t i = 0; i < run; ++i) *target++ = source[i * step + checked_index(*index++, length) * axis_stride];
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_gather_elements(Registry& registry) {
  registry.add({.type = "GatherElements",
                .first_opset = 11,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
