#include "qtool/data/resize.h"

#include <gtest/gtest.h>

#include <numeric>
#include <ostream>
#include <utility>

#include "qtool/data/npz.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

struct Case {
  std::string key;  // in resized.npz
  Image (*resize)(const Image&, int, int, Interpolation);
  Interpolation interpolation;
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.key; }

std::vector<uint8_t> expected_pixels(const std::string& key) {
  for (const auto& [name, tensor] : read_npz(fixture("resized.npz"))) {
    const auto values = tensor.data<uint8_t>();
    if (name == key) return {values.begin(), values.end()};
  }
  return {};
}

class ResizeAgainstJudge : public ::testing::TestWithParam<Case> {};

TEST_P(ResizeAgainstJudge, PixelsAreEqual) {
  // Down, one axis only, up, exactly half: the sizes of make_fixtures.py, in its order.
  constexpr std::pair<int, int> kSizes[] = {{5, 4}, {5, 10}, {12, 3}, {14, 12}, {6, 5}};
  const Image scene = read_image(fixture("scene.png"));
  std::vector<uint8_t> found;
  for (const auto& [width, height] : kSizes) {
    const Image resized = GetParam().resize(scene, width, height, GetParam().interpolation);
    found.insert(found.end(), resized.pixels.begin(), resized.pixels.end());
  }
  EXPECT_EQ(found, expected_pixels(GetParam().key));
}

INSTANTIATE_TEST_SUITE_P(
    All, ResizeAgainstJudge,
    ::testing::Values(Case{"pillow_bilinear", resize_pillow, Interpolation::kBilinear},
                      Case{"pillow_bicubic", resize_pillow, Interpolation::kBicubic},
                      Case{"pillow_nearest", resize_pillow, Interpolation::kNearest},
                      Case{"opencv_bilinear", resize_opencv, Interpolation::kBilinear},
                      Case{"opencv_nearest", resize_opencv, Interpolation::kNearest}),
    [](const auto& info) { return info.param.key; });

Image ramp(int width, int height, int channels) {
  Image image = blank_image(width, height, channels);
  std::iota(image.pixels.begin(), image.pixels.end(), uint8_t{0});
  return image;
}

TEST(Resize, OneChannelGivesTheSameAsThreeEqualOnes) {
  const Image grey = ramp(13, 9, 1);
  Image rgb = blank_image(13, 9, 3);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) rgb.pixels[3 * i + c] = grey.pixels[i];
  }
  for (const auto resize : {resize_pillow, resize_opencv}) {
    const Image small = resize(grey, 6, 5, Interpolation::kBilinear),
                expected = resize(rgb, 6, 5, Interpolation::kBilinear);
    for (size_t i = 0; i < small.pixels.size(); ++i)
      EXPECT_EQ(small.pixels[i], expected.pixels[3 * i + 1]);
  }
}

TEST(Resize, AFlatImageStaysFlat) {
  const Image flat = pad(blank_image(1, 1, 3), 31, 17, 0, 0, 0);
  Image white = flat;
  white.pixels.assign(white.pixels.size(), 255);
  for (const auto& [width, height] : {std::pair{1, 1}, {64, 3}, {7, 90}}) {
    for (const auto interpolation :
         {Interpolation::kBilinear, Interpolation::kBicubic, Interpolation::kNearest}) {
      for (const uint8_t level : resize_pillow(white, width, height, interpolation).pixels)
        ASSERT_EQ(level, 255);
    }
    for (const uint8_t level : resize_opencv(white, width, height, Interpolation::kBilinear).pixels)
      ASSERT_EQ(level, 255);
  }
}

TEST(Resize, EmptySizesAndBicubicOfOpencvAreRefused) {
  const Image image = ramp(4, 4, 3);
  EXPECT_THROW((void)resize_pillow(image, 0, 4, Interpolation::kBilinear), Error);
  EXPECT_THROW((void)resize_opencv(image, 4, -1, Interpolation::kBilinear), Error);
  EXPECT_EQ(error_of([&] { (void)resize_opencv(image, 2, 2, Interpolation::kBicubic); }).code(),
            ErrorCode::kUnsupported);
}

TEST(Crop, TakesTheRectangleAndNothingElse) {
  const Image cut = crop(ramp(4, 3, 1), {1, 1, 2, 2});  // rows 0..3, 4..7, 8..11
  EXPECT_EQ(cut.pixels, (std::vector<uint8_t>{5, 6, 9, 10}));
  EXPECT_THROW((void)crop(ramp(4, 3, 1), {3, 1, 2, 2}), Error);
}

TEST(Pad, SurroundsWithTheLevel) {
  const Image padded = pad(ramp(2, 1, 1), 4, 2, 1, 0, 9);
  EXPECT_EQ(padded.pixels, (std::vector<uint8_t>{9, 0, 1, 9, 9, 9, 9, 9}));
  EXPECT_THROW((void)pad(ramp(2, 1, 1), 2, 1, 1, 0, 9), Error);
}

}  // namespace
}  // namespace qtool::data
