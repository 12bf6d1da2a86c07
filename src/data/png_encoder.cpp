#include <png.h>

#include <algorithm>

#include "qtool/data/png_writer.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

std::vector<std::byte> encode_indexed_png(const Image& indices, std::span<const Colour> palette) {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorCode::kInternal, format("a map of {}x{} could not be written as PNG: {}", indices.width, indices.height, why));
  };
  if (indices.channels != 1 || indices.pixels.empty()) fail("it needs one channel and at least one pixel");
  const uint8_t largest = *std::max_element(indices.pixels.begin(), indices.pixels.end());
  if (palette.size() > 256 || largest >= palette.size()) fail(format("index {} in a palette of {} colours", largest, palette.size()));
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(indices.width);
  png.height = static_cast<png_uint_32>(indices.height);
  png.format = PNG_FORMAT_RGBA_COLORMAP;
  png.colormap_entries = static_cast<png_uint_32>(palette.size());
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::byte> bytes(size);
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, indices.pixels.data(), 0, palette.data()) == 0) fail(png.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace qtool::data
