// Col2Im: adds the columns of sliding blocks back into an image.
#include "qtool/ops/registry.h"
#include "qtool/ops/window.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// input [N, C * block elements, blocks] -> [N, C, image...]
Shape image_shape(const Shape& input, const std::vector<int64_t>& image, const std::vector<int64_t>& block) {
  const int64_t block_elements = Shape(block).element_count();
  if (input.rank() != 3 || block_elements < 1 || input[1] % block_elements != 0 || image.size() != block.size()) {
    throw Error(ErrorCode::kInvalidModel, format("blocks [{}] and image [{}] do not fit input {}", join(block, ", "),
                                                 join(image, ", "), input.text()));
  }
  std::vector<int64_t> dims{input[0], input[1] / block_elements};
  dims.insert(dims.end(), image.begin(), image.end());
  return Shape(std::move(dims));
}

InferredTypes infer(const InferContext& context) {
  const Tensor *image = context.constant(1), *block = context.constant(2);
  if (image == nullptr || block == nullptr) return {std::nullopt};
  return {TensorType{context.dtype(0), image_shape(context.shape(0), image->to_int64(), block->to_int64())}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const std::vector<int64_t> block = context.input(2).to_int64();
  const Shape shape = image_shape(input.shape(), context.input(1).to_int64(), block);
  // The blocks are the windows of a convolution over the image.
  const Window3d w = as_window_3d(resolve_window(context.node(), shape, Shape(block)), shape);
  if (w.output_count() != input.shape()[2]) {
    throw Error(ErrorCode::kInvalidModel, format("{} columns for {} blocks", input.shape()[2], w.output_count()));
  }
  const Reals columns = to_reals(input);
  Reals y(static_cast<size_t>(shape.element_count()), 0.0);
  const double* value = columns.data();
  for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
    double* image = y.data() + plane * w.input_count();
    for (int64_t tap = 0; tap < w.kernel_count(); ++tap) {
      const int64_t kd = tap / (w.kernel[1] * w.kernel[2]), kh = tap / w.kernel[2] % w.kernel[1], kw = tap % w.kernel[2];
      for (int64_t od = 0; od < w.output[0]; ++od) {
        const int64_t d = od * w.strides[0] + kd * w.dilations[0] - w.pads_begin[0];
        for (int64_t oh = 0; oh < w.output[1]; ++oh) {
          const int64_t h = oh * w.strides[1] + kh * w.dilations[1] - w.pads_begin[1];
          for (int64_t ow = 0; ow < w.output[2]; ++ow, ++value) {
            const int64_t x = ow * w.strides[2] + kw * w.dilations[2] - w.pads_begin[2];
            const bool inside = d >= 0 && d < w.input[0] && h >= 0 && h < w.input[1] && x >= 0 && x < w.input[2];
            if (inside) image[(d * w.input[1] + h) * w.input[2] + x] += *value;
          }
        }
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_col2im(Registry& registry) {
  registry.add({.type = "Col2Im", .first_opset = 18, .notes = "1 to 3 spatial axes", .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
