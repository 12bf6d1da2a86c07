// LRN: y[c] = x[c] / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta.
#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

InferredTypes infer(const InferContext& context) { return {context.type(0)}; }

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& shape = input.shape();
  const ir::Node& node = context.node();
  const int64_t size = node.attr_int("size", 0);
  if (size < 1 || shape.rank() < 2) throw Error(ErrorCode::kInvalidModel, format("size {} on input {}", size, shape.text()));
  const double alpha = node.attr_float("alpha", 1e-4f), beta = node.attr_float("beta", 0.75f);
  const double bias = node.attr_float("bias", 1.0f);
  const int64_t channels = shape[1], plane = shape.span_count(2, shape.rank());
  const Reals x = to_reals(input);
  Reals y(x.size());
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t first = std::max<int64_t>(0, c - (size - 1) / 2), last = std::min(channels - 1, c + size / 2);
      for (int64_t i = 0; i < plane; ++i) {
        double squares = 0.0;
        for (int64_t k = first; k <= last; ++k) {
          const double value = x[static_cast<size_t>((n * channels + k) * plane + i)];
          squares += value * value;
        }
        const auto at = static_cast<size_t>((n * channels + c) * plane + i);
        y[at] = x[at] / std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_lrn(Registry& registry) {
  registry.add({.type = "LRN", .first_opset = 1, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
