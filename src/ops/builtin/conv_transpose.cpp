// ConvTranspose over 1 to 3 spatial axes: every input element scatters its kernel into the output.
#include <algorithm>

#include "qtool/ops/registry.h"
#include "qtool/ops/window.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

Shape output_shape(const ir::Node& node, const Shape& input, const Shape& weight) {
  const WindowParams window = conv_transpose_window(node, input, weight);
  const int64_t group = node.attr_int("group", 1);
  if (group < 1 || weight[0] != input[1] || input[1] % group != 0) {
    throw Error(ErrorCode::kInvalidModel,
                format("weight {} does not fit input {} with {} groups", weight.text(), input.text(), group));
  }
  return window_output_shape(input[0], weight[1] * group, window);
}

// Adds one input plane times one kernel to an output plane. Seen from the output, input position x lands on
// x * stride + tap * dilation - pad, so the range rule of a forward window applies with the roles exchanged.
void scatter_plane(const Window3d& w, const double* input, const double* kernel, double* output) {
  for (int64_t kd = 0; kd < w.kernel[0]; ++kd) {
    const int64_t offset_d = kd * w.dilations[0] - w.pads_begin[0];
    const AxisRange range_d = covered_range(offset_d, w.strides[0], w.output[0], w.input[0]);
    for (int64_t kh = 0; kh < w.kernel[1]; ++kh) {
      const int64_t offset_h = kh * w.dilations[1] - w.pads_begin[1];
      const AxisRange range_h = covered_range(offset_h, w.strides[1], w.output[1], w.input[1]);
      for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
        const double tap = *kernel++;
        const int64_t offset_w = kw * w.dilations[2] - w.pads_begin[2], stride = w.strides[2];
        const AxisRange range_w = covered_range(offset_w, stride, w.output[2], w.input[2]);
        for (int64_t id = range_d.begin; id < range_d.end; ++id) {
          for (int64_t ih = range_h.begin; ih < range_h.end; ++ih) {
            const int64_t od = id * w.strides[0] + offset_d, oh = ih * w.strides[1] + offset_h;
            const double* source = input + (id * w.input[1] + ih) * w.input[2];
            double* row = output + (od * w.output[1] + oh) * w.output[2];
            for (int64_t iw = range_w.begin; iw < range_w.end; ++iw) row[iw * stride + offset_w] += tap * source[iw];
          }
        }
      }
    }
  }
}

InferredTypes infer(const InferContext& context) {
  return {TensorType{context.dtype(0), output_shape(context.node(), context.shape(0), context.shape(1))}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor &input = context.input(0), &weight = context.input(1);
  const Shape shape = output_shape(context.node(), input.shape(), weight.shape());
  const Window3d w =
      as_window_3d(conv_transpose_window(context.node(), input.shape(), weight.shape()), input.shape());
  const Reals x = to_reals(input), kernels = to_reals(weight);
  const Reals bias = context.has_input(2) ? to_reals(context.input(2)) : Reals{};
  const int64_t in_channels = input.shape()[1], out_channels = shape[1];
  const int64_t group_out = weight.shape()[1], group_in = in_channels / context.node().attr_int("group", 1);

  Reals y(static_cast<size_t>(shape.element_count()));
  for (int64_t n = 0; n < shape[0]; ++n) {
    double* image = y.data() + n * out_channels * w.output_count();
    for (int64_t oc = 0; oc < out_channels && !bias.empty(); ++oc) {
      std::fill_n(image + oc * w.output_count(), w.output_count(), bias[static_cast<size_t>(oc)]);
    }
    for (int64_t ic = 0; ic < in_channels; ++ic) {
      const double* plane = x.data() + (n * in_channels + ic) * w.input_count();
      for (int64_t j = 0; j < group_out; ++j) {
        const int64_t oc = ic / group_in * group_out + j;
        scatter_plane(w, plane, kernels.data() + (ic * group_out + j) * w.kernel_count(), image + oc * w.output_count());
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_conv_transpose(Registry& registry) {
  registry.add({.type = "ConvTranspose",
                .first_opset = 1,
                .notes = "1 to 3 spatial axes",
                .infer = infer,
                .evaluate = evaluate,
                // With several groups axis 1 of the weight holds the output channels of one group.
                .traits = {.weight_input = 1, .bias_input = 2, .weight_channel_axis = [](const ir::Node&) { return int64_t{1}; }}});
}

}  // namespace qtool::ops
