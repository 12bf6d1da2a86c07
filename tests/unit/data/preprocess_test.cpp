#include "qtool/data/preprocess.h"

#include <gtest/gtest.h>

#include "qtool/data/preprocess_request.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

Image flat(int width, int height, uint8_t red, uint8_t green, uint8_t blue) {
  Image image = blank_image(width, height, 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = red;
    image.pixels[i + 1] = green;
    image.pixels[i + 2] = blue;
  }
  return image;
}

// x + 10 y in every channel.
Image numbered(int width, int height) {
  Image image = blank_image(width, height, 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = static_cast<uint8_t>(x + 10 * y);
    }
  }
  return image;
}

Preprocessing resolved(const std::string& json, const Shape& shape) {
  return resolve_preprocessing(parse_preprocessing_json(json, "test.json"), shape);
}

float at(const Tensor& tensor, int64_t a, int64_t b, int64_t c) {
  const Shape& shape = tensor.shape();
  return tensor.data<float>()[static_cast<size_t>((a * shape[2] + b) * shape[3] + c)];
}

TEST(Apply, NormalisesInFloat32InTheOrderScaleMeanStd) {
  const Shape shape{1, 3, 2, 2};
  const Tensor x = apply(flat(2, 2, 200, 100, 50),
                         resolved(R"({"preset": "imagenet", "resize": "stretch"})", shape), shape);
  ASSERT_EQ(x.shape(), shape);
  const float scale = 1.0f / 255.0f;
  EXPECT_EQ(at(x, 0, 1, 1), (200.0f * scale - 0.485f) / 0.229f);
  EXPECT_EQ(at(x, 1, 0, 1), (100.0f * scale - 0.456f) / 0.224f);
  EXPECT_EQ(at(x, 2, 1, 0), (50.0f * scale - 0.406f) / 0.225f);
}

TEST(Apply, BgrSwapsChannelsAndMeanStaysInModelOrder) {
  const Shape shape{1, 3, 1, 1};
  const Preprocessing p =
      resolved(R"({"resize": "none", "color": "BGR", "scale": 1, "mean": [1, 2, 3]})", shape);
  const Tensor x = apply(flat(1, 1, 30, 20, 10), p, shape);
  EXPECT_EQ(x.to_float(), (std::vector<float>{9, 18, 27}));
}

TEST(Apply, NhwcKeepsChannelsTogether) {
  const Shape shape{1, 1, 2, 3};
  const Preprocessing p = resolved(R"({"resize": "none", "scale": 1, "layout": "NHWC"})", shape);
  const Tensor x = apply(flat(2, 1, 1, 2, 3), p, shape);
  EXPECT_EQ(x.shape(), shape);
  EXPECT_EQ(x.to_float(), (std::vector<float>{1, 2, 3, 1, 2, 3}));
}

TEST(Layout, IsGuessedFromWhereTheColoursAre) {
  EXPECT_EQ(guess_layout({1, 224, 224, 3}), Layout::kNhwc);
  EXPECT_EQ(guess_layout({1, 3, 224, 224}), Layout::kNchw);
  EXPECT_EQ(guess_layout({1, 1, 2, 3}), Layout::kNchw);  // both fit: the usual one
}

TEST(Apply, GrayIsLuma) {
  const Shape shape{1, 1, 1, 1};
  const Tensor x = apply(flat(1, 1, 255, 0, 0), resolved(R"({"scale": 1})", shape), shape);
  EXPECT_EQ(x.to_float(), std::vector<float>{76});  // 0.299 * 255 = 76.2
}

TEST(Apply, BatchIsOneWhateverTheModelSays) {
  const Shape shape{8, 3, 2, 2};
  EXPECT_EQ(apply(flat(2, 2, 0, 0, 0), resolve_preprocessing({}, shape), shape).shape(),
            (Shape{1, 3, 2, 2}));
}

TEST(Apply, CentreLetterboxSendsTheOddPixelToTheEnd) {
  // 4x3 into 4x4 leaves 1 row: round(0.5 - 0.1) = 0 above, 1 below.
  const Shape shape{1, 3, 4, 4};
  const Tensor x =
      apply(numbered(4, 3), resolved(R"({"resize": "letterbox", "scale": 1})", shape), shape);
  EXPECT_EQ(at(x, 0, 0, 3), 3.0f);
  EXPECT_EQ(at(x, 0, 2, 0), 20.0f);
  EXPECT_EQ(at(x, 0, 3, 0), 114.0f);
}

TEST(Apply, PaddingIsNormalisedLikePixels) {
  const Shape shape{1, 3, 2, 4};
  const Preprocessing p = resolved(
      R"({"resize": "letterbox", "pad": 127.5, "scale": "1/127.5", "mean": 1, "pad_at": "topleft"})",
      shape);
  const Tensor x = apply(flat(2, 2, 255, 255, 255), p, shape);
  EXPECT_NEAR(at(x, 0, 0, 1), 1.0f, 1e-6);
  EXPECT_NEAR(at(x, 0, 0, 2), 0.0f, 1e-6);
}

TEST(Apply, CentreCropRoundsItsOffsetHalfToEven) {
  // 5 -> 2: offset 1.5 -> 2; 3 -> 2: offset 0.5 -> 0.
  const Shape shape{1, 3, 2, 2};
  const Tensor x =
      apply(numbered(5, 3), resolved(R"({"resize": "none", "crop": 2, "scale": 1})", shape), shape);
  EXPECT_EQ(at(x, 0, 0, 0), 2.0f);
  EXPECT_EQ(at(x, 0, 1, 1), 13.0f);
}

TEST(Apply, ShortSideTruncatesTheOtherSide) {
  const Shape shape{1, 3, 4, 4};
  const Preprocessing p = resolved(R"({"resize": "short:5"})", shape);
  const LetterboxGeometry g = letterbox_geometry({10, 7}, p, shape);  // int(5 * 10 / 7) = 7
  EXPECT_EQ(g.resized, (Size{7, 5}));
  EXPECT_EQ(g.pad_x, -2.0);  // (7 - 4) / 2 = 1.5 -> 2
  EXPECT_EQ(g.pad_y, -0.0);  // 0.5 -> 0
}

TEST(Apply, WrongSizeWithoutResizeSaysBothSizes) {
  const Shape shape{1, 3, 4, 4};
  const Error error = error_of(
      [&] { (void)apply(flat(5, 4, 0, 0, 0), resolved(R"({"resize": "none"})", shape), shape); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidData);
  EXPECT_TRUE(mentions(error, "5x4")) << error.what();
  EXPECT_TRUE(mentions(error, "4x4"));
}

TEST(Apply, ExtremeProportionsKeepOneRow) {
  const Shape shape{1, 3, 8, 8};
  const Tensor x = apply(flat(400, 1, 9, 9, 9),
                         resolved(R"({"resize": "letterbox", "scale": 1})", shape), shape);
  EXPECT_EQ(at(x, 0, 3, 5), 9.0f);
  EXPECT_EQ(at(x, 0, 4, 5), 114.0f);
}

TEST(Geometry, MapsBackToTheOriginal) {
  const Shape shape{1, 3, 640, 640};
  const Preprocessing p = resolved(R"({"preset": "yolo"})", shape);
  const LetterboxGeometry g = letterbox_geometry({1280, 720}, p, shape);
  EXPECT_EQ(g.ratio_x, 0.5);
  EXPECT_EQ(g.pad_y, 140.0);
  EXPECT_EQ(g.to_original_x(320), 640.0);
  EXPECT_EQ(g.to_original_y(320), 360.0);
  EXPECT_EQ(g.original, (Size{1280, 720}));
}

TEST(Geometry, FloorAndRoundDiffer) {
  const Shape shape{1, 3, 416, 416};
  const Size original{640, 427};  // 427 * 0.65 = 277.55
  EXPECT_EQ(
      letterbox_geometry(original, resolved(R"({"preset": "yolox"})", shape), shape).resized.height,
      277);
  EXPECT_EQ(
      letterbox_geometry(original, resolved(R"({"preset": "yolo"})", shape), shape).resized.height,
      278);
}

TEST(Describe, SaysTheLineAloud) {
  const Shape yolo{1, 3, 640, 640}, small{1, 3, 224, 224};
  EXPECT_EQ(describe(resolve_preprocessing({}, yolo), yolo),
            "letterbox to 640x640 (bilinear, pad 114 centre), RGB, x/255, NCHW");
  EXPECT_EQ(
      describe(resolve_preprocessing({}, small), small),
      "shorter side to 256 (bilinear), centre crop 224x224, RGB, (x/255 - [0.485, 0.456, 0.406]) / "
      "[0.229, 0.224, 0.225], NCHW");
  EXPECT_EQ(describe(resolved(R"({"preset": "yolox", "resampler": "pillow"})", yolo), yolo),
            "letterbox to 640x640 (pillow bilinear, pad 114 top left, floor), BGR, x, NCHW");
}

}  // namespace
}  // namespace qtool::data
