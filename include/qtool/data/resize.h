// Resizing 8-bit images, in the two dialects that vision models are trained with. The dialects
// differ by many levels when an image shrinks: Pillow averages over every source pixel, OpenCV
// looks at the four nearest ones.
#pragma once

#include "qtool/data/image.h"

namespace qtool::data {

enum class Interpolation { kNearest, kBilinear, kBicubic };

// Pillow's Image.resize(): a filter as wide as the shrink factor (antialias), bicubic with a =
// -0.5, two passes in 22-bit fixed point, horizontal first. (Pillow 13 sometimes takes the vertical
// pass first when an image is stretched out of its proportions; the result then differs by a level
// here and there.) kNearest takes the pixel under the target pixel's centre.
[[nodiscard]] Image resize_pillow(const Image& image, int width, int height,
                                  Interpolation interpolation);

// OpenCV's cv::resize() of CV_8U: INTER_LINEAR with 11-bit coefficients (and the 2x2 mean that
// OpenCV takes instead when both sides halve exactly) or INTER_NEAREST. kBicubic throws
// Error(kUnsupported).
[[nodiscard]] Image resize_opencv(const Image& image, int width, int height,
                                  Interpolation interpolation);

struct Rect {
  int left = 0, top = 0, width = 0, height = 0;  // pixels
};

// Throws Error(kInvalidData) when the rectangle leaves the image.
[[nodiscard]] Image crop(const Image& image, const Rect& area);

// A width x height image of `level` with `image` at (left, top). Throws Error(kInvalidData) when it
// does not fit.
[[nodiscard]] Image pad(const Image& image, int width, int height, int left, int top,
                        uint8_t level);

}  // namespace qtool::data
