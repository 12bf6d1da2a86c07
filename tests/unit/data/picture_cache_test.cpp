#include "qtool/data/picture_cache.h"

#include <gtest/gtest.h>

#include "qtool/data/jpeg_writer.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/support/files.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

class PictureCacheTest : public FolderTest {
 protected:
  std::filesystem::path write(const std::string& name, int width, int height) {
    Image image = blank_image(width, height, 3);
    for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 7 % 251);
    const auto path = folder_ / name;
    write_file_atomically(path, encode_jpeg(image, 90));
    return path;
  }
  static Preprocessing letterbox(const Shape& shape) { return resolve_preprocessing(parse_preprocessing_json(R"({"preset": "yolo"})", "test"), shape); }

  const Shape shape_{1, 3, 32, 32};
};

TEST_F(PictureCacheTest, TensorsAreThoseOfApply) {
  const Preprocessing preprocessing = letterbox(shape_);
  const PictureCache cache(preprocessing, shape_, 1 << 20);
  for (const auto& path : {write("wide.jpg", 50, 20), write("exact.jpg", 32, 32), write("small.jpg", 9, 13)}) {
    const auto picture = cache.fitted(path);
    const Image image = read_image(path);
    EXPECT_EQ(picture->original, (Size{image.width, image.height}));
    EXPECT_EQ(cache.tensor(*picture).to_float(), apply(image, preprocessing, shape_).to_float());
  }
}

TEST_F(PictureCacheTest, GreyInputsKeepLuma) {
  const Shape shape{1, 1, 8, 8};
  const Preprocessing preprocessing = resolve_preprocessing(parse_preprocessing_json(R"({"resize": "stretch"})", "test"), shape);
  const auto path = write("a.jpg", 20, 30);
  const PictureCache cache(preprocessing, shape, 1 << 20);
  EXPECT_EQ(cache.fitted(path)->image.channels, 1);
  EXPECT_EQ(cache.tensor(*cache.fitted(path)).to_float(), apply(read_image(path), preprocessing, shape).to_float());
}

TEST_F(PictureCacheTest, KeepsWhatFitsAndDecodesTheRestAgain) {
  const auto first = write("a.jpg", 32, 32), second = write("b.jpg", 32, 32);
  const PictureCache cache(letterbox(shape_), shape_, 32 * 32 * 3 + 1);
  const auto kept = cache.fitted(first);
  const auto passing = cache.fitted(second);
  EXPECT_EQ(cache.bytes(), 32u * 32u * 3u);
  std::filesystem::remove(first);  // no longer needed
  EXPECT_EQ(cache.fitted(first), kept);
  EXPECT_NE(cache.fitted(second), passing);
  EXPECT_EQ(cache.fitted(second)->image.pixels, passing->image.pixels);
}

TEST_F(PictureCacheTest, WithoutABudgetNothingIsKept) {
  const auto path = write("a.jpg", 32, 32);
  const PictureCache cache(letterbox(shape_), shape_);
  (void)cache.fitted(path);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace qtool::data
