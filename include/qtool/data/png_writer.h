// Class maps for people to look at: one colour a class, laid over a picture.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "qtool/data/image.h"

namespace qtool::data {

using Colour = std::array<uint8_t, 4>;  // red, green, blue, opacity; not premultiplied

// One luma channel of indices as a PNG with a palette. Equal input gives equal bytes. Throws Error(kInternal) for an index
// outside the palette, a palette of more than 256 colours, or when the library fails.
[[nodiscard]] std::vector<std::byte> encode_indexed_png(const Image& indices, std::span<const Colour> palette);

}  // namespace qtool::data
