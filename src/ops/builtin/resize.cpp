// Resize and Upsample: separable resampling, one axis at a time.
#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/ops/resize_params.h"
#include "qtool/support/error.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

const Tensor* constant_at(const InferContext& context, int slot) {
  return slot < 0 ? nullptr : context.constant(static_cast<size_t>(slot));
}

const Tensor* input_at(const EvalContext& context, int slot) {
  return slot < 0 ? nullptr : context.optional_input(static_cast<size_t>(slot));
}

// A steering input is present but only known at run time; empty ones count as left out.
bool is_unknown(const InferContext& context, int slot) {
  if (slot < 0 || !context.has_input(static_cast<size_t>(slot))) return false;
  return constant_at(context, slot) == nullptr && context.shape(static_cast<size_t>(slot)).element_count() > 0;
}

InferredTypes infer(const InferContext& context) {
  const ResizeSlots slots = resize_slots(context.node());
  if (is_unknown(context, slots.scales) || is_unknown(context, slots.sizes)) return {std::nullopt};
  ir::Node node = context.node();
  // The region of interest moves samples but does not change the output shape.
  if (is_unknown(context, slots.roi)) node.attributes.erase("coordinate_transformation_mode");
  const ResizeParams params = resolve_resize(node, context.shape(0),
                                             {.roi = constant_at(context, slots.roi),
                                              .scales = constant_at(context, slots.scales),
                                              .sizes = constant_at(context, slots.sizes)});
  return {TensorType{context.dtype(0), Shape(params.output)}};
}

// One output position of one axis as a weighted sum of input positions.
struct Sample {
  std::vector<std::pair<int64_t, double>> taps;  // (index on the input axis, weight)
  bool outside = false;                          // takes the extrapolation value
};

double cubic_weight(double distance, double a) {
  const double x = std::abs(distance);
  if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

Sample weighted_sample(const ResizeParams& params, int64_t in_size, double position, double scale) {
  const double floor = std::floor(position), fraction = position - floor;
  const bool cubic = params.mode == ResizeMode::kCubic;
  const double radius = cubic ? 2.0 : 1.0;
  // With antialiasing the kernel is stretched so that it covers all pixels that shrink into one.
  const double squeeze = params.antialias ? std::min(scale, 1.0) : 1.0;
  const auto first = static_cast<int64_t>(std::floor(-radius / squeeze)) + 1;
  // Interpolation kernels are zero at both ends, so a position on a pixel takes that pixel alone.
  const int64_t last = 1 - first + (fraction == 0.0 ? -1 : 0);
  Sample sample;
  double sum = 0.0;
  for (int64_t k = fraction == 0.0 ? first - 1 : first; k <= last; ++k) {
    const double distance = (static_cast<double>(k) - fraction) * squeeze;
    const double weight = cubic ? cubic_weight(distance, params.cubic_coeff_a) : std::max(0.0, 1.0 - std::abs(distance));
    const int64_t index = static_cast<int64_t>(floor) + k;
    if (weight == 0.0 || (params.exclude_outside && (index < 0 || index >= in_size))) continue;
    sample.taps.emplace_back(std::clamp<int64_t>(index, 0, in_size - 1), weight);
    sum += weight;
  }
  for (auto& tap : sample.taps) tap.second /= sum;
  return sample;
}

std::vector<Sample> axis_samples(const ResizeParams& params, const Shape& input, size_t axis) {
  std::vector<Sample> samples(static_cast<size_t>(params.output[axis]));
  const int64_t in_size = input[axis];
  if (in_size == 0 && !samples.empty()) throw Error(ErrorCode::kInvalidModel, "an empty axis cannot be resized");
  for (size_t x = 0; x < samples.size(); ++x) {
    const double position = resize_source(params, input, axis, static_cast<int64_t>(x));
    if (params.mode == ResizeMode::kNearest) {
      samples[x].taps = {{nearest_source(params, input, axis, static_cast<int64_t>(x)), 1.0}};
    } else {
      samples[x] = weighted_sample(params, in_size, position, params.scales[axis]);
    }
    samples[x].outside = params.transform == CoordinateTransform::kTfCropAndResize &&
                         (position < 0.0 || position > static_cast<double>(in_size - 1));
  }
  return samples;
}

// shape[axis] becomes samples.size().
Reals resample_axis(const Reals& input, const Shape& shape, size_t axis, const std::vector<Sample>& samples,
                    double extrapolation_value) {
  const int64_t outer = shape.span_count(0, axis), inner = shape.span_count(axis + 1, shape.rank());
  Reals output(static_cast<size_t>(outer * inner) * samples.size(), 0.0);
  double* row = output.data();
  for (int64_t o = 0; o < outer; ++o) {
    const double* block = input.data() + o * shape[axis] * inner;
    for (const Sample& sample : samples) {
      if (sample.outside) std::fill_n(row, inner, extrapolation_value);
      for (const auto& [index, weight] : sample.taps) {
        if (sample.outside) break;
        const double* source = block + index * inner;
        for (int64_t i = 0; i < inner; ++i) row[i] += weight * source[i];
      }
      row += inner;
    }
  }
  return output;
}

bool leaves_axis_alone(const ResizeParams& params, const Shape& input, size_t axis) {
  const bool whole_axis = params.transform != CoordinateTransform::kTfCropAndResize ||
                          (params.roi_begin[axis] == 0.0 && params.roi_end[axis] == 1.0);
  return whole_axis && params.output[axis] == input[axis] && params.scales[axis] == 1.0;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const ResizeSlots slots = resize_slots(context.node());
  const ResizeParams params = resolve_resize(context.node(), input.shape(),
                                             {.roi = input_at(context, slots.roi),
                                              .scales = input_at(context, slots.scales),
                                              .sizes = input_at(context, slots.sizes)});
  Reals values = to_reals(input);
  Shape shape = input.shape();
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    if (leaves_axis_alone(params, input.shape(), axis)) continue;
    const std::vector<Sample> samples = axis_samples(params, input.shape(), axis);
    values = resample_axis(values, shape, axis, samples, params.extrapolation_value);
    shape[axis] = params.output[axis];
  }
  return {from_reals(input.dtype(), shape, values)};
}

}  // namespace

void register_resize(Registry& registry) {
  registry.add({.type = "Resize", .first_opset = 10, .infer = infer, .evaluate = evaluate});
  registry.add({.type = "Upsample", .first_opset = 7, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
