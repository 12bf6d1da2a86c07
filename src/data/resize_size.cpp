#include "resize_size.h"

#include "image_decoders.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

void check_resize(const Image& image, int width, int height) {
  const bool target_is_sane = width > 0 && height > 0 && width <= kMaxImagePixels / height;
  if (target_is_sane && image.width > 0 && image.height > 0) return;
  throw Error(ErrorCode::kInvalidData, format("cannot resize an image of {}x{} to {}x{}",
                                              image.width, image.height, width, height));
}

}  // namespace qtool::data
