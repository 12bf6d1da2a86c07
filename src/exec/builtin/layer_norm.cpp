// LayerNormalization over the trailing axes, one output, and InstanceNormalization. Moments in double, in a fixed order.
#include <algorithm>
#include <cmath>

#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

struct Moments {
  double mean, variance;
};

Moments moments_of(const float* x, int64_t n) {
  double sums[2];
  simd::kernels().moments(x, n, sums);
  const double mean = sums[0] / static_cast<double>(n);
  return {mean, std::max(0.0, sums[1] / static_cast<double>(n) - mean * mean)};
}

void normalize_row(const float* x, float* y, int64_t n, const float* scale, const float* bias, double epsilon) {
  const Moments moments = moments_of(x, n);
  simd::kernels().normalize(x, y, n, static_cast<float>(moments.mean), static_cast<float>(1.0 / std::sqrt(moments.variance + epsilon)),
                            scale, bias);
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

// Every plane of every image on its own.
std::optional<KernelChoice> instance_norm(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Shape& shape = request.input_shape(0);
  if (shape.rank() < 3 || shape.element_count() == 0) return std::nullopt;
  const int64_t planes = shape[0] * shape[1], n = shape.span_count(2, shape.rank());
  KernelChoice choice;
  choice.input_layouts.assign(3, Layout{});
  choice.output_layouts = {Layout{}};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([planes, channels = shape[1], n, epsilon = request.node.attr_float("epsilon", 1e-5f)](const KernelArgs& args) {
    const auto* scale = static_cast<const float*>(args.in[1]);
    const auto* bias = static_cast<const float*>(args.in[2]);
    for (int64_t plane = 0; plane < planes; ++plane) {
      const float* x = static_cast<const float*>(args.in[0]) + plane * n;
      const Moments moments = moments_of(x, n);
      const double factor = scale[plane % channels] / std::sqrt(moments.variance + static_cast<double>(epsilon));
      simd::kernels().center_scale(x, static_cast<float*>(args.out[0]) + plane * n, n, static_cast<float>(moments.mean),
                                   static_cast<float>(factor), bias[plane % channels]);
    }
  });
  return choice;
}

}  // namespace

void register_layer_norm(Registry& registry) {
  registry.add("LayerNormalization", layer_norm);
  registry.add("InstanceNormalization", instance_norm);
}

}  // namespace qtool::exec
