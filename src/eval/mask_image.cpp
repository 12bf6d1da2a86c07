// Class indices out of a PNG. The image decoder gives colours; grey levels are the indices already,
// palette entries (as in PASCAL VOC) are found again by their colour.
#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "qtool/data/image.h"
#include "qtool/eval/segmentation.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

constexpr size_t kSignatureBytes = 8, kChunkHeaderBytes = 8, kChunkCrcBytes = 4;
constexpr size_t kHeaderChunkBytes = 13;  // IHDR: width, height, depth, colour type, ...
constexpr int kGrey = 0, kPalette = 3;    // PNG colour types

using Color = std::array<uint8_t, 3>;

struct PngFacts {
  int depth = 0;
  int color_type = 0;
  std::vector<Color> palette;
};

uint32_t big_endian_32(const std::byte* at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(at[i]);
  return value;
}

// Header and palette; the chunks' integrity is the decoder's business. nullopt: not a PNG.
std::optional<PngFacts> read_facts(std::span<const std::byte> bytes) {
  static constexpr std::array<uint8_t, kSignatureBytes> kSignature{0x89, 'P',  'N',  'G',
                                                                   '\r', '\n', 0x1A, '\n'};
  if (bytes.size() < kSignatureBytes ||
      std::memcmp(bytes.data(), kSignature.data(), kSignatureBytes) != 0) {
    return std::nullopt;
  }
  PngFacts facts;
  size_t at = kSignatureBytes;
  while (bytes.size() - at >= kChunkHeaderBytes) {
    const size_t length = big_endian_32(bytes.data() + at);
    const auto* type = reinterpret_cast<const char*>(bytes.data() + at + 4);
    const std::byte* body = bytes.data() + at + kChunkHeaderBytes;
    if (length + kChunkHeaderBytes + kChunkCrcBytes > bytes.size() - at) break;
    if (std::memcmp(type, "IHDR", 4) == 0 && length == kHeaderChunkBytes) {
      facts.depth = std::to_integer<int>(body[8]);
      facts.color_type = std::to_integer<int>(body[9]);
    }
    if (std::memcmp(type, "PLTE", 4) == 0) {
      facts.palette.resize(length / 3);
      std::memcpy(facts.palette.data(), body, facts.palette.size() * 3);
    }
    at += length + kChunkHeaderBytes + kChunkCrcBytes;
  }
  return facts;
}

[[noreturn]] void fail(const std::string& message, const std::filesystem::path& path) {
  throw Error(ErrorCode::kInvalidData, message).with("file", path.string());
}

// A colour that stands for two indices has -1.
std::map<Color, int> indices_by_color(const std::vector<Color>& palette) {
  std::map<Color, int> indices;
  for (size_t i = 0; i < palette.size(); ++i) {
    const auto [entry, is_new] = indices.emplace(palette[i], static_cast<int>(i));
    if (!is_new) entry->second = -1;
  }
  return indices;
}

data::Image from_palette(const data::Image& colors, const std::vector<Color>& palette,
                         const std::filesystem::path& path) {
  const std::map<Color, int> indices = indices_by_color(palette);
  data::Image mask = data::blank_image(colors.width, colors.height, 1);
  for (size_t i = 0; i < mask.pixels.size(); ++i) {
    const Color color{colors.pixels[3 * i], colors.pixels[3 * i + 1], colors.pixels[3 * i + 2]};
    const auto found = indices.find(color);
    if (found == indices.end() || found->second < 0) {
      fail(
          "the mask's palette has one colour twice, so its classes cannot be told apart; save the "
          "mask as 8-bit grey",
          path);
    }
    mask.pixels[i] = static_cast<uint8_t>(found->second);
  }
  return mask;
}

data::Image from_grey(const data::Image& colors) {
  data::Image mask = data::blank_image(colors.width, colors.height, 1);
  for (size_t i = 0; i < mask.pixels.size(); ++i) {
    mask.pixels[i] = colors.pixels[i * static_cast<size_t>(colors.channels)];
  }
  return mask;
}

}  // namespace

data::Image read_mask(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path);
  const std::optional<PngFacts> facts = read_facts(bytes);
  if (!facts) fail("a mask must be a PNG file", path);
  const data::Image colors = data::decode_image(bytes, path.string());
  if (facts->color_type == kPalette) return from_palette(colors, facts->palette, path);
  if (facts->color_type != kGrey || facts->depth != 8) {
    fail(format("a mask must hold class indices as 8-bit grey or palette; found PNG colour type {} "
                "with {} bits",
                facts->color_type, facts->depth),
         path);
  }
  return from_grey(colors);
}

}  // namespace qtool::eval
