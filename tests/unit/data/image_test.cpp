#include "qtool/data/image.h"

#include <gtest/gtest.h>
#include <png.h>

#include <sstream>

#include "qtool/data/npz.h"
#include "qtool/support/files.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

Tensor find(const NamedTensors& tensors, const std::string& key) {
  for (const auto& [name, tensor] : tensors) {
    if (name == key) return tensor;
  }
  throw Error(ErrorCode::kInternal, "no tensor " + key);
}

std::vector<uint8_t> to_vector(std::span<const uint8_t> values) {
  return {values.begin(), values.end()};
}

TEST(Image, EveryFixtureHasThePixelsOfPillow) {
  const NamedTensors expected = read_npz(fixture("decoded.npz"));
  const auto names = find(expected, "names");
  const auto pixels = find(expected, "pixels").data<uint8_t>();
  std::istringstream lines(
      std::string(reinterpret_cast<const char*>(names.raw()), names.size_bytes()));
  size_t count = 0;
  for (std::string name; std::getline(lines, name); ++count) {
    const Image image = read_image(fixture(name));
    EXPECT_EQ(image.width, 12) << name;
    EXPECT_EQ(image.height, 10) << name;
    EXPECT_EQ(image.pixels, to_vector(pixels.subspan(count * 360, 360))) << name;
  }
  EXPECT_EQ(count, 17u);
}

TEST(Image, LumaIsThatOfPillow) {
  const Tensor expected = find(read_npz(fixture("decoded.npz")), "luma");
  const Image luma = to_luma(read_image(fixture("scene.png")));
  EXPECT_EQ(luma.channels, 1);
  EXPECT_EQ(luma.pixels, to_vector(expected.data<uint8_t>()));
}

TEST(Image, FormatIsRecognisedByContent) {
  const Bytes png = read_file(fixture("scene.png"));
  EXPECT_EQ(decode_image(png, "misnamed.jpg").pixels, read_image(fixture("scene.png")).pixels);
}

void append_bytes(png_structp png, png_bytep bytes, png_size_t count) {
  auto* target = static_cast<Bytes*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  target->insert(target->end(), begin, begin + count);
}

Bytes encode_interlaced(const Image& image) {
  Bytes bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, append_bytes, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y) rows.push_back(const_cast<png_bytep>(image.row(y)));
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

TEST(Image, InterlacedPngIsReadWhole) {
  const Image scene = read_image(fixture("scene.png"));
  EXPECT_EQ(decode_image(encode_interlaced(scene), "interlaced").pixels, scene.pixels);
}

TEST(Image, EveryTruncationIsAnErrorThatNamesTheFile) {
  for (const std::string name : {"scene.jpg", "progressive.jpg", "cmyk.jpg", "scene.png",
                                 "rgb16.png", "rgb.bmp", "palette.bmp"}) {
    const Bytes whole = read_file(fixture(name));
    for (size_t length = 0; length + 2 < whole.size(); length += 7) {
      const Error error =
          error_of([&] { (void)decode_image(std::span(whole).first(length), "cut/" + name); });
      EXPECT_EQ(error.code(), ErrorCode::kInvalidData) << name << " at " << length;
      EXPECT_TRUE(mentions(error, "cut/" + name)) << error.what();
    }
  }
}

TEST(Image, DamagedBytesNeverDoMoreThanThrow) {
  for (const std::string name :
       {"scene.jpg", "scene.png", "palette.png", "palette.bmp", "topdown32.bmp"}) {
    const Bytes whole = read_file(fixture(name));
    for (size_t at = 0; at < whole.size(); ++at) {
      Bytes bytes = whole;
      bytes[at] ^= std::byte{0x81};
      try {
        const Image image = decode_image(bytes, name);
        EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.width) * image.height * 3);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kInvalidData);
      }
    }
  }
}

TEST(Image, CorruptPngDataIsAnError) {
  Bytes bytes = read_file(fixture("scene.png"));
  bytes[bytes.size() / 2] ^= std::byte{0xFF};
  EXPECT_EQ(error_of([&] { (void)decode_image(bytes, "x.png"); }).code(), ErrorCode::kInvalidData);
}

TEST(Image, SomethingElseIsSaidToBeSo) {
  const std::string text = "hello, this is text";
  const Error error =
      error_of([&] { (void)decode_image(std::as_bytes(std::span(text)), "a.jpg"); });
  EXPECT_TRUE(mentions(error, "expected JPEG, PNG or BMP, the file begins with 68 65 6c"))
      << error.what();
}

TEST(Image, AnAbsurdSizeIsRefusedBeforeAllocating) {
  Bytes bytes = read_file(fixture("rgb.bmp"));
  for (size_t i = 18; i < 21; ++i) bytes[i] = bytes[i + 4] = std::byte{0xFF};
  EXPECT_TRUE(mentions(error_of([&] { (void)decode_image(bytes, "x.bmp"); }), "cannot be right"));
}

TEST(Image, MissingFileIsAnIoError) {
  EXPECT_EQ(error_of([] { (void)read_image("no/such.jpg"); }).code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace qtool::data
