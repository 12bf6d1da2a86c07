// PNG through libpng, all colour types brought to 8-bit RGB without gamma or colour management, as
// Pillow does.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "image_decoders.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

// State that libpng's C callbacks share with PngReader.
struct PngState {
  std::span<const std::byte> bytes;
  size_t position = 0;
  char message[256] = "";
};

[[noreturn]] void leave_on_error(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::snprintf(state->message, sizeof state->message, "%s", message);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void copy_bytes(png_structp png, png_bytep target, size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state->bytes.size() - state->position) png_error(png, "the file ends too early");
  std::memcpy(target, state->bytes.data() + state->position, count);
  state->position += count;
}

class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> bytes) {
    state_.bytes = bytes;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state_, leave_on_error, ignore_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw_bad_image("libpng could not be started");
    }
    png_set_read_fn(png_, &state_, copy_bytes);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Both are false when libpng gave up; error() says why. No object with a destructor lives in
  // their frames, because libpng leaves them by longjmp.
  bool start() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_info(png_, info_);
    png_set_strip_16(png_);  // high byte, as Pillow's RGB;16B
    png_set_expand(png_);    // palette -> RGB, 1/2/4-bit grey -> 8 bit
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  [[nodiscard]] int64_t width() const { return png_get_image_width(png_, info_); }
  [[nodiscard]] int64_t height() const { return png_get_image_height(png_, info_); }
  [[nodiscard]] size_t row_size_bytes() const { return png_get_rowbytes(png_, info_); }
  [[nodiscard]] const char* error() const { return state_.message; }

 private:
  PngState state_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Image decode_png(std::span<const std::byte> bytes) {
  PngReader reader(bytes);
  if (!reader.start()) throw_bad_image(format("damaged PNG: {}", reader.error()));
  check_image_size(reader.width(), reader.height());
  Image image = blank_image(static_cast<int>(reader.width()), static_cast<int>(reader.height()), 3);
  if (reader.row_size_bytes() != image.row_size_bytes())
    throw_bad_image("PNG of an unknown pixel layout");
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (int y = 0; y < image.height; ++y) rows[static_cast<size_t>(y)] = image.row(y);
  if (!reader.read(rows.data()))
    throw_bad_image(format("damaged or truncated PNG: {}", reader.error()));
  return image;
}

}  // namespace qtool::data
