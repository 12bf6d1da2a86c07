// Pictures for people to look at: report pages and the like.
#pragma once

#include <cstddef>
#include <vector>

#include "qtool/data/image.h"

namespace qtool::data {

// Baseline JPEG, quality 1..100 as libjpeg means it. Equal images give equal bytes. Throws Error(kInternal) on failure.
[[nodiscard]] std::vector<std::byte> encode_jpeg(const Image& image, int quality);

// The image itself when it is not larger, else shrunk in proportion so that its longer side is `longest_side` pixels.
[[nodiscard]] Image shrink_to(const Image& image, int longest_side);

}  // namespace qtool::data
