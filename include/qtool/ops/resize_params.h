// Resolved parameters of Resize and Upsample nodes of every opset.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/ir/node.h"
#include "qtool/tensor/tensor.h"

namespace qtool::ops {

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };

enum class CoordinateTransform : uint8_t {
  kHalfPixel, kHalfPixelSymmetric, kPytorchHalfPixel, kAlignCorners, kAsymmetric, kTfHalfPixelForNn, kTfCropAndResize,
};

enum class NearestRounding : uint8_t {
  kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil,
  kFloorOrCeilWhenShrinking,  // what runtimes do for the versions that do not say: Upsample and Resize 10
};

// Per-axis vectors have one entry an input axis; axes the node does not resize hold scale 1.
struct ResizeParams {
  ResizeMode mode = ResizeMode::kNearest;
  CoordinateTransform transform = CoordinateTransform::kHalfPixel;
  NearestRounding nearest = NearestRounding::kRoundPreferFloor;
  std::vector<int64_t> output;
  std::vector<double> scales;      // output pixels per input pixel
  std::vector<double> roi_begin;   // tf_crop_and_resize: 0 and 1 are the first and last pixel
  std::vector<double> roi_end;
  double cubic_coeff_a = -0.75;
  double extrapolation_value = 0.0;
  bool exclude_outside = false;
  bool antialias = false;
};

// The inputs that steer the node, nullptr or empty where left out.
struct ResizeInputs {
  const Tensor* roi = nullptr;
  const Tensor* scales = nullptr;
  const Tensor* sizes = nullptr;
};
// Which input slots of this node they are, -1: none (Upsample 7 has its scales in an attribute).
struct ResizeSlots {
  int roi = -1;
  int scales = -1;
  int sizes = -1;
};
[[nodiscard]] ResizeSlots resize_slots(const ir::Node& node);

[[nodiscard]] ResizeParams resolve_resize(const ir::Node& node, const Shape& input, const ResizeInputs& inputs);

// Position on the input axis (in pixels, may lie outside) that output index `x` of `axis` samples.
[[nodiscard]] double resize_source(const ResizeParams& params, const Shape& input, size_t axis, int64_t x);
// The input index that nearest mode takes for it, clamped to the axis.
[[nodiscard]] int64_t nearest_source(const ResizeParams& params, const Shape& input, size_t axis, int64_t x);

}  // namespace qtool::ops
