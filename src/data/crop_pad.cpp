#include <algorithm>

#include "qtool/data/resize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

Image crop(const Image& image, const Rect& area) {
  if (area.left < 0 || area.top < 0 || area.width <= 0 || area.height <= 0 ||
      area.left > image.width - area.width || area.top > image.height - area.height) {
    throw Error(ErrorCode::kInvalidData,
                format("cannot cut {}x{} pixels at ({}, {}) out of an image of {}x{}", area.width,
                       area.height, area.left, area.top, image.width, image.height));
  }
  Image result = blank_image(area.width, area.height, image.channels);
  for (int y = 0; y < area.height; ++y) {
    const uint8_t* source =
        image.row(area.top + y) + static_cast<size_t>(area.left) * image.channels;
    std::copy_n(source, result.row_size_bytes(), result.row(y));
  }
  return result;
}

Image pad(const Image& image, int width, int height, int left, int top, uint8_t level) {
  if (left < 0 || top < 0 || left > width - image.width || top > height - image.height) {
    throw Error(ErrorCode::kInvalidData,
                format("an image of {}x{} at ({}, {}) does not fit into {}x{}", image.width,
                       image.height, left, top, width, height));
  }
  Image result = blank_image(width, height, image.channels);
  std::fill(result.pixels.begin(), result.pixels.end(), level);
  for (int y = 0; y < image.height; ++y) {
    uint8_t* target = result.row(top + y) + static_cast<size_t>(left) * image.channels;
    std::copy_n(image.row(y), image.row_size_bytes(), target);
  }
  return result;
}

}  // namespace qtool::data
