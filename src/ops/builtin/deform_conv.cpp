// DeformConv (2-D): a convolution whose taps are moved by learned offsets and weighted by a mask.
#include <algorithm>
#include <cmath>

#include "convolve.h"
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

Shape output_shape(const ir::Node& node, const Shape& input, const Shape& weight) {
  if (input.rank() != 4) throw Error(ErrorCode::kUnsupported, format("DeformConv of input {}, expected 4 axes", input.text()));
  return conv_output_shape(node, input, weight);
}

InferredTypes infer(const InferContext& context) {
  return {TensorType{context.dtype(0), output_shape(context.node(), context.shape(0), context.shape(1))}};
}

// Pixels outside the image are zero.
double bilinear(const double* plane, int64_t height, int64_t width, double y, double x) {
  if (!(y > -1.0 && y < static_cast<double>(height) && x > -1.0 && x < static_cast<double>(width))) return 0.0;
  const auto top = static_cast<int64_t>(std::floor(y)), left = static_cast<int64_t>(std::floor(x));
  const double dy = y - static_cast<double>(top), dx = x - static_cast<double>(left);
  const auto pixel = [&](int64_t row, int64_t column) {
    return row >= 0 && row < height && column >= 0 && column < width ? plane[row * width + column] : 0.0;
  };
  return (1 - dy) * ((1 - dx) * pixel(top, left) + dx * pixel(top, left + 1)) +
         dy * ((1 - dx) * pixel(top + 1, left) + dx * pixel(top + 1, left + 1));
}

// The sampled input of one image: [in_channels, taps, output pixels].
struct SampleProblem {
  ConvProblem conv;
  int64_t offset_groups;
  const double* image;
  const double* offsets;  // [offset_groups, taps, 2 (y, x), output pixels]
  const double* mask;     // [offset_groups, taps, output pixels], nullptr: ones
};

Reals sample_columns(const SampleProblem& p) {
  const Window3d& w = p.conv.window;
  const int64_t taps = w.kernel_count(), pixels = w.output_count();
  const int64_t group_channels = p.conv.in_channels / p.offset_groups;
  Reals columns(static_cast<size_t>(p.conv.in_channels * taps * pixels));
  double* target = columns.data();
  for (int64_t c = 0; c < p.conv.in_channels; ++c) {
    const double* plane = p.image + c * w.input_count();
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t field = c / group_channels * taps + tap;
      const double *dy = p.offsets + field * 2 * pixels, *dx = dy + pixels;
      for (int64_t i = 0; i < pixels; ++i) {
        const int64_t row = i / w.output[2] * w.strides[1] + tap / w.kernel[2] * w.dilations[1] - w.pads_begin[1];
        const int64_t column = i % w.output[2] * w.strides[2] + tap % w.kernel[2] * w.dilations[2] - w.pads_begin[2];
        const double value = bilinear(plane, w.input[1], w.input[2], static_cast<double>(row) + dy[i],
                                      static_cast<double>(column) + dx[i]);
        *target++ = p.mask ? value * p.mask[field * pixels + i] : value;
      }
    }
  }
  return columns;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor &input = context.input(0), &weight = context.input(1), &offset = context.input(2);
  const Shape shape = output_shape(context.node(), input.shape(), weight.shape());
  const ConvProblem conv = conv_problem(context.node(), input.shape(), weight.shape());
  const int64_t offset_groups = context.node().attr_int("offset_group", 1);
  const int64_t taps = conv.window.kernel_count(), pixels = conv.window.output_count();
  const bool fits = offset_groups >= 1 && conv.in_channels % offset_groups == 0 &&
                    offset.element_count() == conv.batch * offset_groups * taps * 2 * pixels;
  if (!fits) throw Error(ErrorCode::kInvalidModel, format("offset {} does not fit output {}", offset.shape().text(), shape.text()));
  const Reals x = to_reals(input), kernels = to_reals(weight), offsets = to_reals(offset);
  const Reals bias = context.has_input(3) ? to_reals(context.input(3)) : Reals{};
  const Reals mask = context.has_input(4) ? to_reals(context.input(4)) : Reals{};
  const int64_t group_in = conv.in_channels / conv.group, group_out = conv.out_channels / conv.group;

  Reals y(static_cast<size_t>(shape.element_count()));
  for (int64_t n = 0; n < conv.batch; ++n) {
    const Reals columns = sample_columns({conv, offset_groups, x.data() + n * conv.in_channels * conv.window.input_count(),
                                          offsets.data() + n * offset_groups * taps * 2 * pixels,
                                          mask.empty() ? nullptr : mask.data() + n * offset_groups * taps * pixels});
    for (int64_t oc = 0; oc < conv.out_channels; ++oc) {
      double* plane = y.data() + (n * conv.out_channels + oc) * pixels;
      if (!bias.empty()) std::fill_n(plane, pixels, bias[static_cast<size_t>(oc)]);
      const double* first = columns.data() + oc / group_out * group_in * taps * pixels;
      for (int64_t k = 0; k < group_in * taps; ++k) {
        const double factor = kernels[static_cast<size_t>(oc * group_in * taps + k)];
        for (int64_t i = 0; i < pixels; ++i) plane[i] += factor * first[k * pixels + i];
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_deform_conv(Registry& registry) {
  registry.add({.type = "DeformConv",
                .first_opset = 19,
                .notes = "2 spatial axes",
                .infer = infer,
                .evaluate = evaluate,
                .traits = {.weight_input = 1, .bias_input = 3, .weight_channel_axis = [](const ir::Node&) { return int64_t{0}; }}});
}

}  // namespace qtool::ops
