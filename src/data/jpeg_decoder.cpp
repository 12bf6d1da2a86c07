// JPEG through libjpeg. Its defaults (accurate integer DCT, fancy chroma upsampling) are also
// Pillow's, so the pixels are equal.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jerror.h>
#include <jpeglib.h>

#include "image_decoders.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

// libjpeg reports failure through a callback that must not return; throwing through its C frames is
// not allowed, so it jumps back to decode_into(), which holds no object with a destructor.
struct JpegErrors {
  jpeg_error_mgr base;  // first member: libjpeg hands its address back
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave_on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  (*info->err->format_message)(info, errors->message);
  std::longjmp(errors->escape, 1);
}

// libjpeg pads missing data with grey and only warns. A calibration set must not contain such
// pictures.
void stop_on_truncation(j_common_ptr info, int level) {
  if (level >= 0) return;  // trace messages
  ++info->err->num_warnings;
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) leave_on_error(info);
}

struct JpegSize {
  int width = 0;
  int height = 0;
};

// The colour space that libjpeg itself can produce from the file's; the rest is done by hand.
J_COLOR_SPACE output_space(const jpeg_decompress_struct& info) {
  if (info.jpeg_color_space == JCS_GRAYSCALE) return JCS_GRAYSCALE;
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) return JCS_CMYK;
  return JCS_RGB;
}

class JpegReader {
 public:
  explicit JpegReader(std::span<const std::byte> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave_on_error;
    errors_.base.emit_message = stop_on_truncation;
    errors_.message[0] = '\0';
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  // False when libjpeg gave up; error() says why.
  bool start() {
    if (setjmp(errors_.escape) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
    info_.out_color_space = output_space(info_);
    jpeg_calc_output_dimensions(&info_);
    return true;
  }

  // target: [height, width, components()] bytes.
  bool read(uint8_t* target, size_t row_size_bytes) {
    if (setjmp(errors_.escape) != 0) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = target + info_.output_scanline * row_size_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  [[nodiscard]] JpegSize size() const {
    return {static_cast<int>(info_.output_width), static_cast<int>(info_.output_height)};
  }
  [[nodiscard]] int components() const { return info_.out_color_components; }
  [[nodiscard]] const char* error() const { return errors_.message; }

 private:
  std::span<const std::byte> bytes_;
  jpeg_decompress_struct info_{};
  JpegErrors errors_{};
};

Image grey_to_rgb(const Image& grey) {
  Image rgb = blank_image(grey.width, grey.height, 3);
  uint8_t* target = rgb.pixels.data();
  for (const uint8_t level : grey.pixels) {
    target[0] = target[1] = target[2] = level;
    target += 3;
  }
  return rgb;
}

// a * b / 255, rounded, as Pillow computes it.
uint8_t multiply_levels(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

// CMYK JPEG files store inverted ink (Adobe's convention, which Pillow assumes for all of them):
// the stored level is 255 - ink, so R = (1 - C)(1 - K) is a plain product of stored levels.
Image inverted_cmyk_to_rgb(const Image& cmyk) {
  Image rgb = blank_image(cmyk.width, cmyk.height, 3);
  const uint8_t* source = cmyk.pixels.data();
  for (size_t i = 0; i < rgb.pixels.size(); i += 3, source += 4) {
    const int white = source[3];
    for (size_t c = 0; c < 3; ++c) {
      const int value = white - multiply_levels(255 - source[c], white);
      rgb.pixels[i + c] = static_cast<uint8_t>(value < 0 ? 0 : value);
    }
  }
  return rgb;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes) {
  JpegReader reader(bytes);
  if (!reader.start()) throw_bad_image(format("damaged JPEG: {}", reader.error()));
  const JpegSize size = reader.size();
  check_image_size(size.width, size.height);
  Image image = blank_image(size.width, size.height, reader.components());
  if (!reader.read(image.pixels.data(), image.row_size_bytes())) {
    throw_bad_image(format("damaged or truncated JPEG: {}", reader.error()));
  }
  if (image.channels == 1) return grey_to_rgb(image);
  if (image.channels == 4) return inverted_cmyk_to_rgb(image);
  return image;
}

}  // namespace qtool::data
