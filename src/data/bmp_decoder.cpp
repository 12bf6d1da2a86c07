// Uncompressed BMP: 24 and 32 bit, and palettes of 1, 4 and 8 bit.
// Layout: 14-byte file header, DIB header (12 bytes of OS/2, or 40 and more), optional masks,
// palette, rows padded to 4 bytes, bottom row first unless the height is negative.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <vector>

#include "image_decoders.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr uint32_t kCoreHeaderBytes = 12;
constexpr uint32_t kInfoHeaderBytes = 40;
constexpr uint32_t kUncompressed = 0, kBitFields = 3;

class LittleEndianReader {
 public:
  explicit LittleEndianReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  [[nodiscard]] uint32_t u8(size_t at) const {
    if (at >= bytes_.size())
      throw_bad_image("truncated BMP: the file ends inside its header or palette");
    return static_cast<uint32_t>(bytes_[at]);
  }
  [[nodiscard]] uint32_t u16(size_t at) const { return u8(at) | u8(at + 1) << 8; }
  [[nodiscard]] uint32_t u32(size_t at) const { return u16(at) | u16(at + 2) << 16; }
  [[nodiscard]] int32_t i32(size_t at) const { return static_cast<int32_t>(u32(at)); }

 private:
  std::span<const std::byte> bytes_;
};

struct BmpHeader {
  size_t pixel_offset = 0;
  size_t palette_offset = 0;
  size_t palette_entry_bytes = 4;
  size_t palette_entries = 0;
  int64_t width = 0;
  int64_t height = 0;
  bool top_down = false;
  uint32_t bits_per_pixel = 0;
  std::array<uint32_t, 3> byte_of_channel{2, 1, 0};  // R, G, B within a pixel
};

// Only masks that select whole bytes; others do not occur at 32 bit in practice.
uint32_t byte_of_mask(uint32_t mask) {
  if (std::popcount(mask) != 8 || std::countr_zero(mask) % 8 != 0 ||
      std::rotr(mask, std::countr_zero(mask)) != 0xFF) {
    throw_bad_image(
        format("BMP with colour mask {:#010x}; only masks of whole bytes are supported", mask));
  }
  return static_cast<uint32_t>(std::countr_zero(mask)) / 8;
}

void read_compression(const LittleEndianReader& in, BmpHeader& header) {
  const uint32_t compression = in.u32(30);
  if (compression == kUncompressed) return;
  if (compression != kBitFields || header.bits_per_pixel != 32) {
    throw_bad_image(
        format("BMP with compression {} is not supported; save it uncompressed", compression));
  }
  for (size_t c = 0; c < 3; ++c) header.byte_of_channel[c] = byte_of_mask(in.u32(54 + 4 * c));
}

BmpHeader read_header(const LittleEndianReader& in) {
  BmpHeader header;
  header.pixel_offset = in.u32(10);
  const uint32_t header_bytes = in.u32(14);
  header.palette_offset = kFileHeaderBytes + header_bytes;
  if (header_bytes == kCoreHeaderBytes) {
    header.width = in.u16(18);
    header.height = in.u16(20);
    header.bits_per_pixel = in.u16(24);
    header.palette_entry_bytes = 3;
  } else if (header_bytes >= kInfoHeaderBytes) {
    header.width = in.i32(18);
    const int64_t height = in.i32(22);
    header.top_down = height < 0;
    header.height = std::abs(height);
    header.bits_per_pixel = in.u16(28);
    header.palette_entries = in.u32(46);
    read_compression(in, header);
  } else {
    throw_bad_image(format("damaged BMP: a header of {} bytes", header_bytes));
  }
  check_image_size(header.width, header.height);
  return header;
}

using Palette = std::vector<std::array<uint8_t, 3>>;

Palette read_palette(const LittleEndianReader& in, const BmpHeader& header) {
  const size_t most = size_t{1} << header.bits_per_pixel;
  const size_t count = header.palette_entries == 0 ? most : header.palette_entries;
  if (count > most)
    throw_bad_image(format("damaged BMP: {} colours at {} bit", count, header.bits_per_pixel));
  Palette palette(most, {0, 0, 0});
  for (size_t i = 0; i < count; ++i) {
    const size_t at = header.palette_offset + i * header.palette_entry_bytes;
    for (size_t c = 0; c < 3; ++c) palette[i][c] = static_cast<uint8_t>(in.u8(at + 2 - c));
  }
  return palette;
}

void unpack_palette_row(const std::byte* source, uint32_t bits, const Palette& palette,
                        Image& image, int y) {
  const uint32_t mask = (1u << bits) - 1;
  uint8_t* target = image.row(y);
  for (int x = 0; x < image.width; ++x, target += 3) {
    const uint32_t bit = static_cast<uint32_t>(x) * bits;  // highest bits hold the leftmost pixel
    const uint32_t index = (static_cast<uint32_t>(source[bit / 8]) >> (8 - bits - bit % 8)) & mask;
    std::copy_n(palette[index].begin(), 3, target);
  }
}

void unpack_direct_row(const std::byte* source, const BmpHeader& header, Image& image, int y) {
  const size_t step = header.bits_per_pixel / 8;
  uint8_t* target = image.row(y);
  for (int x = 0; x < image.width; ++x, source += step, target += 3) {
    for (size_t c = 0; c < 3; ++c)
      target[c] = static_cast<uint8_t>(source[header.byte_of_channel[c]]);
  }
}

}  // namespace

Image decode_bmp(std::span<const std::byte> bytes) {
  const LittleEndianReader in(bytes);
  const BmpHeader header = read_header(in);
  const uint32_t bits = header.bits_per_pixel;
  const bool has_palette = bits == 1 || bits == 4 || bits == 8;
  if (!has_palette && bits != 24 && bits != 32) {
    throw_bad_image(
        format("BMP with {} bits a pixel is not supported (1, 4, 8, 24 and 32 are)", bits));
  }
  const size_t stride = (static_cast<size_t>(header.width) * bits + 31) / 32 * 4;
  const size_t needed = stride * static_cast<size_t>(header.height);
  if (header.pixel_offset > bytes.size() || bytes.size() - header.pixel_offset < needed) {
    throw_bad_image(
        format("truncated BMP: {}x{} pixels need {} bytes after offset {}, the file has {} in all",
               header.width, header.height, needed, header.pixel_offset, bytes.size()));
  }
  const Palette palette = has_palette ? read_palette(in, header) : Palette{};
  Image image = blank_image(static_cast<int>(header.width), static_cast<int>(header.height), 3);
  for (int y = 0; y < image.height; ++y) {
    const auto stored = static_cast<size_t>(header.top_down ? y : image.height - 1 - y);
    const std::byte* source = bytes.data() + header.pixel_offset + stored * stride;
    if (has_palette) {
      unpack_palette_row(source, bits, palette, image, y);
    } else {
      unpack_direct_row(source, header, image, y);
    }
  }
  return image;
}

}  // namespace qtool::data
