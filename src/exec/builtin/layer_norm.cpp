// LayerNormalization over the trailing axes, one output. Moments in double, in a fixed order.
#include <cmath>

#include "qtool/exec/registry.h"

namespace qtool::exec {

namespace {

void normalize_row(const float* x, float* y, int64_t n, const float* scale, const float* bias, double epsilon) {
  constexpr int kLanes = 8;  // independent sums, so that the compiler may use vectors without changing the order
  double sum[kLanes] = {}, squares[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const double v = x[i + l];
      sum[l] += v;
      squares[l] += v * v;
    }
  }
  double total = 0.0, total_squares = 0.0;
  for (int l = 0; l < kLanes; ++l) {
    total += sum[l];
    total_squares += squares[l];
  }
  for (; i < n; ++i) {
    total += x[i];
    total_squares += static_cast<double>(x[i]) * x[i];
  }
  const double mean = total / static_cast<double>(n);
  const double variance = std::max(0.0, total_squares / static_cast<double>(n) - mean * mean);
  const auto factor = static_cast<float>(1.0 / std::sqrt(variance + epsilon));
  const auto shift = static_cast<float>(mean);
  for (int64_t k = 0; k < n; ++k) {
    const float value = (x[k] - shift) * factor * scale[k];
    y[k] = bias != nullptr ? value + bias[k] : value;
  }
}

std::optional<KernelChoice> layer_norm(const KernelRequest& request) {
  if (!request.all_float() || request.node.outputs.size() != 1) return std::nullopt;
  const Shape& shape = request.input_shape(0);
  const size_t axis = shape.normalize_axis(request.node.attr_int("axis", -1));
  const int64_t rows = shape.span_count(0, axis), n = shape.span_count(axis, shape.rank());
  if (n == 0 || request.input_shape(1).element_count() != n) return std::nullopt;
  if (request.has_input(2) && request.input_shape(2).element_count() != n) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.output_layouts = {Layout{}};
  choice.kernel = make_kernel([rows, n, epsilon = request.node.attr_float("epsilon", 1e-5f)](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    const auto* scale = static_cast<const float*>(args.in[1]);
    const auto* bias = args.in.size() > 2 ? static_cast<const float*>(args.in[2]) : nullptr;
    auto* y = static_cast<float*>(args.out[0]);
    for (int64_t row = 0; row < rows; ++row) normalize_row(x + row * n, y + row * n, n, scale, bias, epsilon);
  });
  return choice;
}

}  // namespace

void register_layer_norm(Registry& registry) { registry.add("LayerNormalization", layer_norm); }

}  // namespace qtool::exec
