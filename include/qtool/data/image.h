// Decoded pictures. JPEG, PNG and BMP files become 8-bit RGB, the same pixels that Pillow's
// Image.open(path).convert("RGB") gives.
//
// EXIF orientation is NOT applied: Pillow does not apply it either unless asked, and training
// pipelines that a calibration set should imitate rarely ask. (OpenCV's imread does apply it.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace qtool::data {

struct Image {
  int width = 0;                // pixels
  int height = 0;               // pixels
  int channels = 3;             // 3: RGB interleaved; 1: luma
  std::vector<uint8_t> pixels;  // [height, width, channels], levels 0..255

  [[nodiscard]] size_t row_size_bytes() const { return static_cast<size_t>(width) * channels; }
  [[nodiscard]] const uint8_t* row(int y) const { return pixels.data() + y * row_size_bytes(); }
  [[nodiscard]] uint8_t* row(int y) { return pixels.data() + y * row_size_bytes(); }
};

// Zero pixels of the given size.
[[nodiscard]] Image blank_image(int width, int height, int channels);

// The format is recognised by content, not by the file's extension. `name` appears in errors.
// JPEG: grey, YCbCr, RGB, CMYK and YCCK. PNG: every colour type and depth; 16-bit samples keep
// their high byte, alpha is dropped. BMP: 24 and 32 bit, 1/4/8-bit palette, bottom-up and top-down,
// uncompressed. Throws Error(kInvalidData) when the bytes are corrupt, truncated or of another
// format.
[[nodiscard]] Image decode_image(std::span<const std::byte> bytes, const std::string& name);

// decode_image of a file; Error(kIo) when it cannot be read.
[[nodiscard]] Image read_image(const std::filesystem::path& path);

// One luma channel, ITU-R 601 in the 16-bit fixed point of Pillow's convert("L").
[[nodiscard]] Image to_luma(const Image& rgb);

}  // namespace qtool::data
