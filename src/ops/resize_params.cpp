#include "qtool/ops/resize_params.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

[[noreturn]] void unknown_attribute(std::string_view key, std::string_view value) {
  throw Error(ErrorCode::kUnsupported, format("attribute '{}' is '{}'", key, value));
}

bool is_upsample(const ir::Node& node) { return node.op_type == "Upsample"; }

ResizeMode read_mode(const ir::Node& node) {
  const std::string mode = node.attr_string("mode", "nearest");
  if (mode == "nearest") return ResizeMode::kNearest;
  if (mode == "linear" || mode == "bilinear") return ResizeMode::kLinear;
  if (mode == "cubic") return ResizeMode::kCubic;
  unknown_attribute("mode", mode);
}

CoordinateTransform read_transform(const ir::Node& node) {
  const std::string name = node.attr_string("coordinate_transformation_mode", "half_pixel");
  if (name == "half_pixel") return CoordinateTransform::kHalfPixel;
  if (name == "half_pixel_symmetric") return CoordinateTransform::kHalfPixelSymmetric;
  if (name == "pytorch_half_pixel") return CoordinateTransform::kPytorchHalfPixel;
  if (name == "align_corners") return CoordinateTransform::kAlignCorners;
  if (name == "asymmetric") return CoordinateTransform::kAsymmetric;
  if (name == "tf_half_pixel_for_nn") return CoordinateTransform::kTfHalfPixelForNn;
  if (name == "tf_crop_and_resize") return CoordinateTransform::kTfCropAndResize;
  unknown_attribute("coordinate_transformation_mode", name);
}

NearestRounding read_nearest(const ir::Node& node) {
  const std::string name = node.attr_string("nearest_mode", "round_prefer_floor");
  if (name == "round_prefer_floor") return NearestRounding::kRoundPreferFloor;
  if (name == "round_prefer_ceil") return NearestRounding::kRoundPreferCeil;
  if (name == "floor") return NearestRounding::kFloor;
  if (name == "ceil") return NearestRounding::kCeil;
  unknown_attribute("nearest_mode", name);
}

bool has_values(const Tensor* tensor) { return tensor != nullptr && !tensor->empty(); }

std::vector<size_t> resized_axes(const ir::Node& node, const Shape& input) {
  std::vector<size_t> axes;
  for (const int64_t axis : node.attr_ints("axes")) axes.push_back(input.normalize_axis(axis));
  if (axes.empty()) {
    for (size_t i = 0; i < input.rank(); ++i) axes.push_back(i);
  }
  return axes;
}

void check_count(std::string_view what, size_t found, size_t expected) {
  if (found != expected) {
    throw Error(ErrorCode::kInvalidModel, format("{} {} given for {} axes", found, what, expected));
  }
}

void apply_scales(ResizeParams& params, const Shape& input, const std::vector<size_t>& axes,
                  const std::vector<float>& scales) {
  check_count("scales", scales.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!(scales[i] > 0.0f)) throw Error(ErrorCode::kInvalidModel, format("scale {} is not positive", scales[i]));
    params.scales[axes[i]] = scales[i];
    // The product is rounded to float32 first: 10 * 0.7f is 7 there but 6.9999998 in double.
    params.output[axes[i]] = static_cast<int64_t>(std::floor(static_cast<float>(input[axes[i]]) * scales[i]));
  }
}

void apply_sizes(ResizeParams& params, const Shape& input, const std::vector<size_t>& axes,
                 const std::vector<int64_t>& sizes, const std::string& policy) {
  check_count("sizes", sizes.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (sizes[i] < 0) throw Error(ErrorCode::kInvalidModel, format("size {} is negative", sizes[i]));
    params.output[axes[i]] = sizes[i];
    if (input[axes[i]] > 0) params.scales[axes[i]] = static_cast<double>(sizes[i]) / static_cast<double>(input[axes[i]]);
  }
  if (policy == "stretch" || axes.empty()) return;
  if (policy != "not_larger" && policy != "not_smaller") unknown_attribute("keep_aspect_ratio_policy", policy);
  double common = params.scales[axes[0]];
  for (const size_t axis : axes) {
    common = policy == "not_larger" ? std::min(common, params.scales[axis]) : std::max(common, params.scales[axis]);
  }
  for (const size_t axis : axes) {
    params.scales[axis] = common;
    params.output[axis] = static_cast<int64_t>(std::floor(common * static_cast<double>(input[axis]) + 0.5));
  }
}

void apply_roi(ResizeParams& params, const std::vector<size_t>& axes, const Tensor* roi) {
  if (!has_values(roi)) {
    throw Error(ErrorCode::kInvalidModel, "tf_crop_and_resize needs the input 'roi'");
  }
  const std::vector<float> bounds = roi->to_float();
  check_count("roi bounds", bounds.size(), 2 * axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    params.roi_begin[axes[i]] = bounds[i];
    params.roi_end[axes[i]] = bounds[axes.size() + i];
  }
}

// Real is float for nearest mode: deployed runtimes compute these coordinates in float32, and a position on a
// rounding border must fall to the same side. Double elsewhere.
template <class Real>
Real source_position(const ResizeParams& p, const Shape& input, size_t axis, int64_t index) {
  const auto x = static_cast<Real>(index), scale = static_cast<Real>(p.scales[axis]);
  const auto in = static_cast<Real>(input[axis]);
  const Real half = Real(0.5);
  const int64_t out_int = p.output[axis];
  // Scales may ask for a fraction of a pixel; the standard's corner rules keep that fraction.
  const Real out = scale * in;
  switch (p.transform) {
    case CoordinateTransform::kHalfPixel: return (x + half) / scale - half;
    case CoordinateTransform::kPytorchHalfPixel: return out_int > 1 ? (x + half) / scale - half : Real(0);
    case CoordinateTransform::kTfHalfPixelForNn: return (x + half) / scale;
    case CoordinateTransform::kAsymmetric: return x / scale;
    case CoordinateTransform::kAlignCorners: return out_int <= 1 ? Real(0) : x * (in - 1) / (out - 1);
    case CoordinateTransform::kHalfPixelSymmetric: {
      const Real adjustment = static_cast<Real>(out_int) / out;
      return in / 2 * (1 - adjustment) + (x + half) / scale - half;
    }
    case CoordinateTransform::kTfCropAndResize: {
      const auto begin = static_cast<Real>(p.roi_begin[axis]), end = static_cast<Real>(p.roi_end[axis]);
      if (out_int <= 1) return half * (begin + end) * (in - 1);
      return begin * (in - 1) + x * (end - begin) * (in - 1) / (out - 1);
    }
  }
  return x;
}

}  // namespace

ResizeSlots resize_slots(const ir::Node& node) {
  if (is_upsample(node)) return {.scales = node.opset >= 9 ? 1 : -1};
  if (node.opset < 11) return {.scales = 1};
  return {.roi = 1, .scales = 2, .sizes = 3};
}

ResizeParams resolve_resize(const ir::Node& node, const Shape& input, const ResizeInputs& inputs) {
  ResizeParams params;
  params.mode = read_mode(node);
  params.output = input.dims();
  params.scales.assign(input.rank(), 1.0);
  params.roi_begin.assign(input.rank(), 0.0);
  params.roi_end.assign(input.rank(), 1.0);
  const std::vector<size_t> axes = resized_axes(node, input);

  if (is_upsample(node) || node.opset < 11) {
    params.transform = CoordinateTransform::kAsymmetric;
    params.nearest = NearestRounding::kFloorOrCeilWhenShrinking;
    const bool from_attribute = is_upsample(node) && node.opset < 9;
    if (!from_attribute && !has_values(inputs.scales)) throw Error(ErrorCode::kInvalidModel, "scales are missing");
    apply_scales(params, input, axes, from_attribute ? node.attr_floats("scales") : inputs.scales->to_float());
    return params;
  }

  params.transform = read_transform(node);
  params.nearest = read_nearest(node);
  params.cubic_coeff_a = node.attr_float("cubic_coeff_a", -0.75f);
  params.extrapolation_value = node.attr_float("extrapolation_value", 0.0f);
  params.exclude_outside = node.attr_int("exclude_outside", 0) != 0;
  params.antialias = node.attr_int("antialias", 0) != 0;
  if (has_values(inputs.sizes)) {
    apply_sizes(params, input, axes, inputs.sizes->to_int64(), node.attr_string("keep_aspect_ratio_policy", "stretch"));
  } else if (has_values(inputs.scales)) {
    apply_scales(params, input, axes, inputs.scales->to_float());
  } else if (input.rank() > 0) {
    throw Error(ErrorCode::kInvalidModel, "neither scales nor sizes are given");
  }
  if (params.transform == CoordinateTransform::kTfCropAndResize) apply_roi(params, axes, inputs.roi);
  return params;
}

double resize_source(const ResizeParams& params, const Shape& input, size_t axis, int64_t x) {
  return source_position<double>(params, input, axis, x);
}

int64_t nearest_source(const ResizeParams& params, const Shape& input, size_t axis, int64_t x) {
  const float position = source_position<float>(params, input, axis, x);
  float index = position;
  switch (params.nearest) {
    case NearestRounding::kRoundPreferFloor: index = std::ceil(position - 0.5f); break;
    case NearestRounding::kRoundPreferCeil: index = std::floor(position + 0.5f); break;
    case NearestRounding::kFloor: index = std::floor(position); break;
    case NearestRounding::kCeil: index = std::ceil(position); break;
    case NearestRounding::kFloorOrCeilWhenShrinking:
      index = params.scales[axis] < 1.0 ? std::ceil(position) : std::floor(position);
      break;
  }
  return std::clamp<int64_t>(static_cast<int64_t>(index), 0, std::max<int64_t>(0, input[axis] - 1));
}

}  // namespace qtool::ops
