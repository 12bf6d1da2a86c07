#include "convolve.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

void add_scaled_row(double* row, const double* source, int64_t stride, int64_t count, double factor) {
  if (stride == 1) {  // the loop compilers can vectorize
    for (int64_t i = 0; i < count; ++i) row[i] += factor * source[i];
    return;
  }
  for (int64_t i = 0; i < count; ++i) row[i] += factor * source[i * stride];
}

// Adds weight * input plane to one output plane, tap by tap; the inner loop runs along the output width.
void add_plane(const Window3d& w, const double* input, const double* weight, double* output) {
  for (int64_t kd = 0; kd < w.kernel[0]; ++kd) {
    const int64_t offset_d = kd * w.dilations[0] - w.pads_begin[0];
    const AxisRange range_d = covered_range(offset_d, w.strides[0], w.input[0], w.output[0]);
    for (int64_t kh = 0; kh < w.kernel[1]; ++kh) {
      const int64_t offset_h = kh * w.dilations[1] - w.pads_begin[1];
      const AxisRange range_h = covered_range(offset_h, w.strides[1], w.input[1], w.output[1]);
      for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
        const double tap = *weight++;
        const int64_t offset_w = kw * w.dilations[2] - w.pads_begin[2], stride = w.strides[2];
        const AxisRange range_w = covered_range(offset_w, stride, w.input[2], w.output[2]);
        for (int64_t od = range_d.begin; od < range_d.end; ++od) {
          for (int64_t oh = range_h.begin; oh < range_h.end; ++oh) {
            const int64_t id = od * w.strides[0] + offset_d, ih = oh * w.strides[1] + offset_h;
            const double* source = input + (id * w.input[1] + ih) * w.input[2];
            double* row = output + (od * w.output[1] + oh) * w.output[2];
            add_scaled_row(row + range_w.begin, source + range_w.begin * stride + offset_w, stride,
                           range_w.end - range_w.begin, tap);
          }
        }
      }
    }
  }
}

}  // namespace

ConvProblem conv_problem(const ir::Node& node, const Shape& input, const Shape& weight) {
  const WindowParams window = conv_window(node, input, weight);
  const int64_t group = node.attr_int("group", 1);
  if (group < 1 || input[1] != weight[1] * group || weight[0] % group != 0) {
    throw Error(ErrorCode::kInvalidModel, format("weight {} does not fit input {} with {} groups", weight.text(),
                                                 input.text(), group));
  }
  return {input[0], input[1], weight[0], group, as_window_3d(window, input)};
}

Shape conv_output_shape(const ir::Node& node, const Shape& input, const Shape& weight) {
  (void)conv_problem(node, input, weight);
  return window_output_shape(input[0], weight[0], conv_window(node, input, weight));
}

Reals convolve(const ConvProblem& p, const Reals& input, const Reals& weight, const Reals& bias) {
  const int64_t in_plane = p.window.input_count(), out_plane = p.window.output_count(), taps = p.window.kernel_count();
  const int64_t group_in = p.in_channels / p.group, group_out = p.out_channels / p.group;
  Reals output(static_cast<size_t>(p.batch * p.out_channels * out_plane));
  for (int64_t n = 0; n < p.batch; ++n) {
    for (int64_t oc = 0; oc < p.out_channels; ++oc) {
      double* plane = output.data() + (n * p.out_channels + oc) * out_plane;
      if (!bias.empty()) std::fill_n(plane, out_plane, bias[static_cast<size_t>(oc)]);
      const int64_t first_in = oc / group_out * group_in;
      for (int64_t ic = 0; ic < group_in; ++ic) {
        add_plane(p.window, input.data() + (n * p.in_channels + first_in + ic) * in_plane,
                  weight.data() + (oc * group_in + ic) * taps, plane);
      }
    }
  }
  return output;
}

}  // namespace qtool::ops
