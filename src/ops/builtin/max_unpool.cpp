// MaxUnpool: puts pooled values back at the indices MaxPool reported, zeros elsewhere.
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// The inverse of the pooling size rule, without its rounding.
Shape unpooled_shape(const ir::Node& node, const Shape& input) {
  const std::vector<int64_t> kernel = node.attr_ints("kernel_shape");
  const size_t rank = kernel.size();
  if (rank == 0 || input.rank() != rank + 2) {
    throw Error(ErrorCode::kInvalidModel, format("kernel of {} axes does not fit input {}", rank, input.text()));
  }
  const std::vector<int64_t> strides = node.attr_ints("strides", std::vector<int64_t>(rank, 1));
  const std::vector<int64_t> pads = node.attr_ints("pads", std::vector<int64_t>(2 * rank, 0));
  if (strides.size() != rank || pads.size() != 2 * rank) {
    throw Error(ErrorCode::kInvalidModel, "strides or pads do not fit the kernel");
  }
  Shape shape = input;
  for (size_t i = 0; i < rank; ++i) {
    shape[i + 2] = (input[i + 2] - 1) * strides[i] - (pads[i] + pads[i + rank]) + kernel[i];
  }
  return shape;
}

InferredTypes infer(const InferContext& context) {
  if (!context.has_input(2)) return {TensorType{context.dtype(0), unpooled_shape(context.node(), context.shape(0))}};
  const Tensor* shape = context.constant(2);
  if (shape == nullptr) return {std::nullopt};
  return {TensorType{context.dtype(0), Shape(shape->to_int64())}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  // Indices count in the tensor that was pooled; a larger output_shape only adds room behind it.
  const Shape pooled_from = unpooled_shape(context.node(), input.shape());
  const Shape shape = context.has_input(2) ? Shape(context.input(2).to_int64()) : pooled_from;
  if (shape.rank() != pooled_from.rank()) {
    throw Error(ErrorCode::kInvalidModel, format("output_shape {} does not fit input {}", shape.text(), input.shape().text()));
  }
  const Reals x = to_reals(input);
  const std::vector<int64_t> indices = context.input(1).to_int64();
  if (indices.size() != x.size()) throw Error(ErrorCode::kInvalidModel, "indices and values differ in count");
  const std::vector<int64_t> strides = shape.strides();
  Reals y(static_cast<size_t>(shape.element_count()), 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t rest = indices[i], at = 0;
    for (size_t axis = shape.rank(); axis-- > 0;) {
      const int64_t coordinate = rest % pooled_from[axis];
      rest /= pooled_from[axis];
      if (coordinate < 0 || coordinate >= shape[axis]) throw Error(ErrorCode::kInvalidModel, "an index lies outside the output");
      at += coordinate * strides[axis];
    }
    if (rest != 0) throw Error(ErrorCode::kInvalidModel, format("index {} lies outside the output", indices[i]));
    y[static_cast<size_t>(at)] = x[i];
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_max_unpool(Registry& registry) {
  registry.add({.type = "MaxUnpool",
                .first_opset = 9,
                .infer = infer,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
