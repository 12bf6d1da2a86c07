#include "layer_product.h"

#include "qtool/exec/matrix_product.h"

namespace qtool::rounding {

namespace {

// A depthwise layer is too thin for a matrix product.
void depthwise_product(const LayerShape& shape, std::span<const float> weights, const float* x, int64_t rows, float* y) {
  const int64_t channels = shape.channels(), k = shape.inputs;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float* in = x + r * shape.row() + c / shape.outputs * k;
      float sum = 0.0f;
      for (int64_t i = 0; i < k; ++i) sum += in[i] * weights[static_cast<size_t>(c * k + i)];
      y[r * channels + c] = sum;
    }
  }
}

}  // namespace

void layer_product(const LayerShape& shape, std::span<const float> weights, std::span<const float> bias, const float* x, int64_t rows,
                   float* y) {
  const int64_t channels = shape.channels(), k = shape.inputs;
  if (shape.outputs == 1) {
    depthwise_product(shape, weights, x, rows, y);
  } else {
    for (int64_t g = 0; g < shape.groups; ++g) {
      exec::matrix_product(rows, shape.outputs, k, {x + g * k, shape.row()},
                           {weights.data() + g * shape.outputs * k, k, exec::Transposed::kYes}, 0.0f, y + g * shape.outputs, channels);
    }
  }
  if (bias.empty()) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) y[r * channels + c] += bias[static_cast<size_t>(c)];
  }
}

}  // namespace qtool::rounding
