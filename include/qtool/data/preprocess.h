// From a picture to the float32 tensor a vision model expects: resize, crop or pad, colour order,
// normalise.
//
// Preprocessing is the complete, checked description; it is made by resolve_preprocessing
// (preprocess_request.h) and printed by describe(). The numerics are float32 in the order (x *
// scale - mean) / std, the same as numpy code with float32 arrays, so tensors equal those of a
// training script bit for bit.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/data/image.h"
#include "qtool/data/resize.h"
#include "qtool/tensor/tensor.h"

namespace qtool::data {

enum class ResizeKind {
  kNone,       // the image must have the right size already
  kStretch,    // to the input size, proportions lost
  kShort,      // shorter side to N, the longer one to int(N * long / short) (torchvision's rule)
  kLetterbox,  // the largest size inside the input that keeps proportions; the rest is padded
  kLong,       // longer side to N; the rest is padded
};
enum class Resampler { kPillow, kOpencv };
enum class PadAt {
  kCenter,
  kTopLeft
};  // where the image sits: kTopLeft pads right and bottom only
enum class SizeRounding {
  kHalfEven,
  kFloor
};  // of the resized side lengths of kLetterbox and kLong
enum class ColorOrder { kRgb, kBgr, kGray };
enum class Layout { kNchw, kNhwc };

struct ResizeRule {
  ResizeKind kind = ResizeKind::kStretch;
  int side = 0;  // N of kShort and kLong, in pixels
  bool operator==(const ResizeRule&) const = default;
};

struct Size {
  int width = 0, height = 0;  // pixels
  bool operator==(const Size&) const = default;
};

struct Preprocessing {
  ResizeRule resize;
  Interpolation interpolation = Interpolation::kBilinear;
  Resampler resampler = Resampler::kOpencv;
  std::optional<Size> crop;  // centre crop after resizing, offset rounded half to even
  ColorOrder color = ColorOrder::kRgb;
  double scale = 1.0 / 255.0;     // multiplies levels 0..255
  std::vector<double> mean, std;  // in the model's channel order, after scale; empty: 0 and 1
  double pad = 114.0;             // level 0..255, before scale
  PadAt pad_at = PadAt::kCenter;
  SizeRounding size_rounding = SizeRounding::kHalfEven;
  Layout layout = Layout::kNchw;
  bool operator==(const Preprocessing&) const = default;
};

// One line to be said aloud: "letterbox to 640x640 (bilinear, pad 114 centre), RGB, x/255, NCHW".
[[nodiscard]] std::string describe(const Preprocessing& preprocessing, const Shape& input_shape);

// Where the picture went on the model's input: x_input = x_image * ratio_x + pad_x, and the same
// for y.
struct LetterboxGeometry {
  double ratio_x = 1.0, ratio_y = 1.0;
  double pad_x = 0.0, pad_y = 0.0;  // input pixels; negative after a crop
  Size resized;                     // of the picture on the input
  Size original;

  // Back to pixels of the original picture; not clipped to it.
  [[nodiscard]] double to_original_x(double x_input) const { return (x_input - pad_x) / ratio_x; }
  [[nodiscard]] double to_original_y(double y_input) const { return (y_input - pad_y) / ratio_y; }
};

// Throws Error(kInvalidData) when an image of this size cannot be brought to the input shape.
[[nodiscard]] LetterboxGeometry letterbox_geometry(Size original,
                                                   const Preprocessing& preprocessing,
                                                   const Shape& input_shape);

// float32, batch 1, [1, C, H, W] or [1, H, W, C] as preprocessing.layout says; H, W and C come from
// `input_shape` whose batch dimension is ignored. Throws Error(kInvalidData) when the image cannot
// be brought to that size.
[[nodiscard]] Tensor apply(const Image& image, const Preprocessing& preprocessing,
                           const Shape& input_shape);

// The picture part of an input shape. Throws Error(kUnsupported) unless the rank is 4, C is 1 or 3
// and H, W > 0.
struct InputGeometry {
  int channels = 3;
  Size size;
};
[[nodiscard]] InputGeometry input_geometry(const Shape& input_shape, Layout layout);

// NHWC when only the last dimension looks like colour channels (1 or 3), else NCHW.
[[nodiscard]] Layout guess_layout(const Shape& input_shape);

}  // namespace qtool::data
