// The size check that both resizers share.
#pragma once

#include "qtool/data/image.h"

namespace qtool::data {

// Throws Error(kInvalidData) for an empty source or target size.
void check_resize(const Image& image, int width, int height);

}  // namespace qtool::data
