// LayerNormalization and RMSNormalization over the axes from `axis` to the last.
#include <cmath>

#include "normalize.h"
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

size_t first_axis(const ir::Node& node, const Shape& input) { return input.normalize_axis(node.attr_int("axis", -1)); }

// Scale and bias broadcast to the input; the usual case is that they span exactly the normalized axes.
Reals broadcast_parameter(const Tensor& parameter, const Shape& input) {
  if (!(broadcast_shapes(parameter.shape(), input) == input)) {
    throw Error(ErrorCode::kInvalidModel,
                format("parameter of shape {} does not fit input {}", parameter.shape().text(), input.text()));
  }
  const Reals values = to_reals(parameter);
  Reals result(static_cast<size_t>(input.element_count()));
  const size_t missing = input.rank() - parameter.shape().rank();
  const std::vector<int64_t> strides = parameter.shape().strides();
  for (size_t i = 0; i < result.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t index = 0;
    for (size_t axis = input.rank(); axis-- > missing;) {
      const int64_t coordinate = rest % input[axis];
      rest /= input[axis];
      if (parameter.shape()[axis - missing] != 1) index += coordinate * strides[axis - missing];
    }
    result[i] = values[static_cast<size_t>(index)];
  }
  return result;
}

DType stash_dtype(const ir::Node& node) {
  constexpr int64_t kOnnxBFloat16 = 16, kOnnxDouble = 11, kOnnxFloat16 = 10;
  switch (node.attr_int("stash_type", 1)) {
    case kOnnxBFloat16: return DType::kBFloat16;
    case kOnnxDouble: return DType::kFloat64;
    case kOnnxFloat16: return DType::kFloat16;
    default: return DType::kFloat32;
  }
}

Shape statistics_shape(const Shape& input, size_t axis) {
  Shape shape = input;
  for (size_t i = axis; i < shape.rank(); ++i) shape[i] = 1;
  return shape;
}

InferredTypes infer_layer(const InferContext& context) {
  const TensorType statistics{stash_dtype(context.node()),
                              statistics_shape(context.shape(0), first_axis(context.node(), context.shape(0)))};
  return {context.type(0), statistics, statistics};
}

std::vector<Tensor> evaluate_layer(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& shape = input.shape();
  const size_t axis = first_axis(context.node(), shape);
  const auto run = static_cast<size_t>(shape.span_count(axis, shape.rank()));
  const double epsilon = context.node().attr_float("epsilon", 1e-5f);
  Reals values = to_reals(input), means, inverse_deviations;
  for (size_t begin = 0; begin < values.size(); begin += run) {
    const Moments result = normalize(std::span<double>(values).subspan(begin, run), epsilon);
    means.push_back(result.mean);
    inverse_deviations.push_back(result.inverse_deviation);
  }
  const Reals scale = broadcast_parameter(context.input(1), shape);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= scale[i];
  if (context.has_input(2)) {
    const Reals bias = broadcast_parameter(context.input(2), shape);
    for (size_t i = 0; i < values.size(); ++i) values[i] += bias[i];
  }
  const Shape statistics = statistics_shape(shape, axis);
  const auto count = static_cast<size_t>(statistics.element_count());
  means.resize(count);  // rows without elements have zero statistics
  inverse_deviations.resize(count);
  const DType dtype = stash_dtype(context.node());
  return {from_reals(input.dtype(), shape, values), from_reals(dtype, statistics, means),
          from_reals(dtype, statistics, inverse_deviations)};
}

InferredTypes infer_rms(const InferContext& context) {
  (void)first_axis(context.node(), context.shape(0));
  return {TensorType{context.dtype(1), context.shape(0)}};
}

std::vector<Tensor> evaluate_rms(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& shape = input.shape();
  const auto run = static_cast<size_t>(shape.span_count(first_axis(context.node(), shape), shape.rank()));
  const double epsilon = context.node().attr_float("epsilon", 1e-5f);
  Reals values = to_reals(input);
  const Reals scale = broadcast_parameter(context.input(1), shape);
  for (size_t begin = 0; begin < values.size(); begin += run) {
    double squares = 0.0;
    for (size_t i = begin; i < begin + run; ++i) squares += values[i] * values[i];
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(run) + epsilon);
    for (size_t i = begin; i < begin + run; ++i) values[i] *= inverse * scale[i];
  }
  return {from_reals(context.input(1).dtype(), shape, values)};
}

}  // namespace

void register_layer_normalization(Registry& registry) {
  registry.add({.type = "LayerNormalization", .first_opset = 17, .infer = infer_layer, .evaluate = evaluate_layer});
  registry.add({.type = "RMSNormalization", .first_opset = 23, .infer = infer_rms, .evaluate = evaluate_rms});
}

}  // namespace qtool::ops
