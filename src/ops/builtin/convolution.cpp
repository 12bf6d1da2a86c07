// Conv, ConvInteger and QLinearConv over 1 to 3 spatial axes.
#include "convolve.h"
#include "integer_arithmetic.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

constexpr size_t kChannelAxis = 1;  // of activations [N, C, spatial...]

int64_t output_channel_axis(const ir::Node&) { return 0; }

InferredTypes infer_conv(const InferContext& context) {
  return {TensorType{context.dtype(0), conv_output_shape(context.node(), context.shape(0), context.shape(1))}};
}

std::vector<Tensor> evaluate_conv(const EvalContext& context) {
  const Tensor &input = context.input(0), &weight = context.input(1);
  const Tensor* bias = context.optional_input(2);
  const Reals output = convolve(conv_problem(context.node(), input.shape(), weight.shape()), to_reals(input),
                                to_reals(weight), bias ? to_reals(*bias) : Reals{});
  return {from_reals(input.dtype(), conv_output_shape(context.node(), input.shape(), weight.shape()), output)};
}

InferredTypes infer_conv_integer(const InferContext& context) {
  return {TensorType{DType::kInt32, conv_output_shape(context.node(), context.shape(0), context.shape(1))}};
}

std::vector<Tensor> evaluate_conv_integer(const EvalContext& context) {
  const Tensor &input = context.input(0), &weight = context.input(1);
  const Reals output = convolve(conv_problem(context.node(), input.shape(), weight.shape()),
                                centered_levels(input, context.optional_input(2), kChannelAxis),
                                centered_levels(weight, context.optional_input(3), 0), {});
  return {from_reals(DType::kInt32, conv_output_shape(context.node(), input.shape(), weight.shape()), output)};
}

// Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B (int32, scale x_scale*w_scale).
InferredTypes infer_qlinear_conv(const InferContext& context) {
  return {TensorType{context.dtype(7), conv_output_shape(context.node(), context.shape(0), context.shape(3))}};
}

std::vector<Tensor> evaluate_qlinear_conv(const EvalContext& context) {
  const Tensor &input = context.input(0), &weight = context.input(3);
  const Tensor* bias = context.optional_input(8);
  const Reals sums = convolve(conv_problem(context.node(), input.shape(), weight.shape()),
                              centered_levels(input, context.optional_input(2), kChannelAxis),
                              centered_levels(weight, context.optional_input(5), 0), bias ? to_reals(*bias) : Reals{});
  const Shape shape = conv_output_shape(context.node(), input.shape(), weight.shape());
  return {requantize(sums, shape,
                     {.multipliers = requantization_multipliers(context.input(1), context.input(4), context.input(6)),
                      .axis = kChannelAxis,
                      .zero_point = &context.input(7)})};
}

}  // namespace

void register_convolution(Registry& registry) {
  registry.add({.type = "Conv",
                .first_opset = 1,
                .notes = "1 to 3 spatial axes",
                .infer = infer_conv,
                .evaluate = evaluate_conv,
                .traits = {.weight_input = 1, .bias_input = 2, .weight_channel_axis = output_channel_axis}});
  registry.add({.type = "ConvInteger",
                .first_opset = 10,
                .notes = "1 to 3 spatial axes",
                .infer = infer_conv_integer,
                .evaluate = evaluate_conv_integer});
  registry.add({.type = "QLinearConv",
                .first_opset = 10,
                .notes = "1 to 3 spatial axes",
                .infer = infer_qlinear_conv,
                .evaluate = evaluate_qlinear_conv});
}

}  // namespace qtool::ops
