// The decoders behind decode_image, one a file format. All throw Error(kInvalidData) without a file
// name; decode_image adds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "qtool/data/image.h"

namespace qtool::data {

// A header that promises more pixels than this is taken for damaged, before anything is allocated.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 27;

[[nodiscard]] Image decode_jpeg(std::span<const std::byte> bytes);
[[nodiscard]] Image decode_png(std::span<const std::byte> bytes);
[[nodiscard]] Image decode_bmp(std::span<const std::byte> bytes);

[[noreturn]] void throw_bad_image(const std::string& message);

// Throws when width x height is empty or beyond kMaxImagePixels.
void check_image_size(int64_t width, int64_t height);

}  // namespace qtool::data
