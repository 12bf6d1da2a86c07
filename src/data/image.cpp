#include "qtool/data/image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "image_decoders.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::string first_bytes_in_hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes.first(std::min<size_t>(bytes.size(), 8))) {
    text += format("{}{:02x}", text.empty() ? "" : " ", static_cast<unsigned>(byte));
  }
  return text;
}

Image decode_by_magic(std::span<const std::byte> bytes) {
  if (starts_with(bytes, "\xFF\xD8\xFF")) return decode_jpeg(bytes);
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return decode_png(bytes);
  if (starts_with(bytes, "BM")) return decode_bmp(bytes);
  if (bytes.empty()) throw_bad_image("the image file is empty");
  throw_bad_image(
      format("not an image that can be read: expected JPEG, PNG or BMP, the file begins with {}",
             first_bytes_in_hex(bytes)));
}

}  // namespace

void throw_bad_image(const std::string& message) { throw Error(ErrorCode::kInvalidData, message); }

void check_image_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0 || width > kMaxImagePixels / height) {
    throw_bad_image(
        format("the image header says {}x{} pixels, which cannot be right", width, height));
  }
}

Image blank_image(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  image.pixels.resize(image.row_size_bytes() * static_cast<size_t>(height));
  return image;
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return decode_by_magic(bytes);
  } catch (Error& error) {
    error.with("file", name);
    throw;
  }
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path), path.string());
}

Image to_luma(const Image& rgb) {
  if (rgb.channels == 1) return rgb;
  // 0.299, 0.587, 0.114 in 1/65536; the three sum to 65536.
  constexpr uint32_t kRed = 19595, kGreen = 38470, kBlue = 7471, kHalf = 0x8000;
  Image luma = blank_image(rgb.width, rgb.height, 1);
  const uint8_t* source = rgb.pixels.data();
  for (uint8_t& level : luma.pixels) {
    level = static_cast<uint8_t>(
        (source[0] * kRed + source[1] * kGreen + source[2] * kBlue + kHalf) >> 16);
    source += 3;
  }
  return luma;
}

}  // namespace qtool::data
