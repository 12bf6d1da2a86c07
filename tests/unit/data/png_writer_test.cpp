#include "qtool/data/png_writer.h"

#include <gtest/gtest.h>

#include "qtool/support/error.h"

namespace qtool::data {
namespace {

TEST(IndexedPng, ComesBackAsTheColoursOfItsIndices) {
  Image indices = blank_image(3, 2, 1);
  indices.pixels = {0, 1, 2, 2, 1, 0};
  const std::vector<Colour> palette = {{0, 0, 0, 0}, {10, 20, 30, 255}, {200, 100, 50, 128}};
  const Image read = decode_image(encode_indexed_png(indices, palette), "map");
  ASSERT_EQ(read.width, 3);
  ASSERT_EQ(read.height, 2);
  for (size_t i = 0; i < indices.pixels.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(read.pixels[3 * i + c], palette[indices.pixels[i]][c]) << i;
  }
  EXPECT_EQ(encode_indexed_png(indices, palette), encode_indexed_png(indices, palette));
}

TEST(IndexedPng, AnIndexOutsideThePaletteIsRefused) {
  Image indices = blank_image(1, 1, 1);
  indices.pixels = {2};
  EXPECT_THROW((void)encode_indexed_png(indices, std::vector<Colour>(2)), Error);
}

}  // namespace
}  // namespace qtool::data
