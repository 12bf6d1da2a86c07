#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>

#include <jpeglib.h>

#include <algorithm>
#include <cmath>

#include "qtool/data/jpeg_writer.h"
#include "qtool/data/resize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

// As in the decoder: libjpeg must not be left by an exception.
struct WriterErrors {
  jpeg_error_mgr base;
  std::jmp_buf escape;
};

[[noreturn]] void leave(j_common_ptr info) { std::longjmp(reinterpret_cast<WriterErrors*>(info->err)->escape, 1); }

struct JpegMemory {
  unsigned char* bytes = nullptr;  // libjpeg allocates it with malloc
  unsigned long size = 0;
};

// No object with a destructor lives here, because a failure jumps out.
bool compress(const Image& image, int quality, JpegMemory& memory) {
  jpeg_compress_struct info;
  WriterErrors errors;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  if (setjmp(errors.escape) != 0) {
    jpeg_destroy_compress(&info);
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &memory.bytes, &memory.size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = image.channels;
  info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  JpegMemory memory;
  const bool done = compress(image, quality, memory);
  std::vector<std::byte> bytes;
  if (done) {
    const auto* first = reinterpret_cast<const std::byte*>(memory.bytes);
    bytes.assign(first, first + memory.size);
  }
  std::free(memory.bytes);
  if (!done) throw Error(ErrorCode::kInternal, format("an image of {}x{} could not be written as JPEG", image.width, image.height));
  return bytes;
}

Image shrink_to(const Image& image, int longest_side) {
  const int longest = std::max(image.width, image.height);
  if (longest <= longest_side) return image;
  const auto side = [&](int pixels) {
    return std::max(1, static_cast<int>(std::lround(static_cast<double>(pixels) * longest_side / longest)));
  };
  return resize_pillow(image, side(image.width), side(image.height), Interpolation::kBilinear);
}

}  // namespace qtool::data
