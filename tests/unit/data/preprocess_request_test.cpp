#include "qtool/data/preprocess_request.h"

#include <gtest/gtest.h>

#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

Preprocessing resolved(const std::string& json, const Shape& shape) {
  return resolve_preprocessing(parse_preprocessing_json(json, "test.json"), shape);
}

const Shape kClassifier{1, 3, 224, 224}, kDetector{1, 3, 320, 320};

TEST(Defaults, FollowTheInputShape) {
  EXPECT_EQ(resolve_preprocessing({}, kDetector).resize.kind, ResizeKind::kLetterbox);
  EXPECT_TRUE(resolve_preprocessing({}, kDetector).mean.empty());
  EXPECT_EQ(resolve_preprocessing({}, kClassifier).resize, (ResizeRule{ResizeKind::kShort, 256}));
  EXPECT_EQ(resolve_preprocessing({}, kClassifier).resampler, Resampler::kPillow);
  const Preprocessing small = resolve_preprocessing({}, {1, 3, 32, 32});
  EXPECT_EQ(small.resize.kind, ResizeKind::kStretch);
  EXPECT_EQ(small.mean.size(), 3u);
  const Preprocessing grey = resolve_preprocessing({}, {1, 1, 28, 28});
  EXPECT_EQ(grey.color, ColorOrder::kGray);
  EXPECT_TRUE(grey.mean.empty());
}

TEST(Defaults, NonSquareClassifierCanBeCropped) {
  const Preprocessing p = resolve_preprocessing({}, {1, 3, 240, 320});
  EXPECT_EQ(p.resize, (ResizeRule{ResizeKind::kShort, 366}));  // 320 * 256 / 224 = 365.7
  EXPECT_EQ(p.crop, (Size{320, 240}));
}

TEST(Defaults, AShapeThatIsNoPictureIsUnsupported) {
  for (const Shape& shape : {Shape{1, 4, 8, 8}, Shape{1, 128}, Shape{1, 3, 0, 8}, Shape{}}) {
    EXPECT_EQ(error_of([&] { (void)resolve_preprocessing({}, shape); }).code(),
              ErrorCode::kUnsupported)
        << shape.text();
  }
}

TEST(Request, StatedNormalisationReplacesTheWholeGroup) {
  const Preprocessing p = resolved(R"({"scale": 1})", kClassifier);
  EXPECT_EQ(p.scale, 1.0);
  EXPECT_TRUE(p.mean.empty());
  EXPECT_TRUE(p.std.empty());
  EXPECT_EQ(resolved(R"({"mean": 0.5, "std": 0.5})", kClassifier).scale, 1.0 / 255.0);
}

TEST(Request, ResizeKindBringsItsDefaults) {
  const Preprocessing p = resolved(R"({"resize": "long:224"})", kClassifier);
  EXPECT_EQ(p.pad, 127.5);
  EXPECT_EQ(p.pad_at, PadAt::kTopLeft);
  EXPECT_TRUE(p.mean.empty());
  EXPECT_TRUE(resolved(R"({"resize": "letterbox"})", kClassifier).mean.empty());
  EXPECT_EQ(resolved(R"({"resize": "short:366"})", kDetector).mean.size(), 3u);
}

TEST(Request, FlagsWinOverTheSidecar) {
  PreprocessingRequest request = parse_preprocessing_json(R"({"color": "BGR", "pad": 0})", "x");
  PreprocessingRequest flags;
  flags.pad = 7.0;
  request.merge(flags);
  EXPECT_EQ(request.pad, 7.0);
  EXPECT_EQ(request.color, ColorOrder::kBgr);
}

TEST(Request, BicubicTakesPillowUnlessOpencvIsDemanded) {
  EXPECT_EQ(resolved(R"({"interp": "bicubic"})", kDetector).resampler, Resampler::kPillow);
  EXPECT_THROW((void)resolved(R"({"interp": "bicubic", "resampler": "opencv"})", kDetector), Error);
}

TEST(Request, ContradictionsAreRefused) {
  for (const std::string json :
       {R"({"color": "GRAY"})", R"({"crop": 100})", R"({"resize": "letterbox", "crop": 224})",
        R"({"resize": "short:100"})", R"({"resize": "long:300"})", R"({"input_size": 225})",
        R"({"std": [1, 0, 1]})", R"({"scale": 0})",
        R"({"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]})",
        R"({"preset": "jolo"})"}) {
    EXPECT_EQ(error_of([&] { (void)resolved(json, kClassifier); }).code(), ErrorCode::kUsage)
        << json;
  }
  EXPECT_EQ(error_of([] {
              (void)resolved(R"({"preset": "yolo"})", {1, 1, 28, 28});
            }).code(),
            ErrorCode::kUsage);
  EXPECT_EQ(error_of([] {
              (void)resolved(R"({"mean": [0, 0, 0]})", {1, 1, 28, 28});
            }).code(),
            ErrorCode::kUsage);
}

TEST(Json, ReadsTheKeysOfAModelList) {
  const Preprocessing p = resolved(
      R"({"input_size": 416, "color": "BGR", "scale": 1.0, "pad": 114, "pad_at": "topleft", "size_rounding": "floor"})",
      {1, 3, 416, 416});
  EXPECT_EQ(p, resolved(R"({"preset": "yolox"})", {1, 3, 416, 416}));
  EXPECT_EQ(resolved(R"({"resize_short": 248, "interp": "bicubic"})", kClassifier).resize.side,
            248);
}

TEST(Json, RoundTrips) {
  for (const std::string json :
       {"{}", R"({"preset": "yolox"})", R"({"preset": "imagenet-half"})",
        R"({"resize": "long:100", "scale": "1/127.5", "mean": 1, "interp": "nearest"})",
        R"({"resize": "short:300", "crop": "none"})",
        R"({"resize": "stretch", "std": [0.1, 0.2, 0.3]})"}) {
    const Preprocessing p = resolved(json, kClassifier);
    EXPECT_EQ(resolved(to_json(p), kClassifier), p) << to_json(p);
  }
}

TEST(Json, UnknownKeyIsRefusedWithTheNearest) {
  const Error error =
      error_of([] { (void)parse_preprocessing_json(R"({"padat": "center"})", "side.json"); });
  EXPECT_EQ(error.code(), ErrorCode::kUsage);
  EXPECT_TRUE(mentions(error, "did you mean 'pad_at'?")) << error.what();
  EXPECT_TRUE(mentions(error, "side.json"));
}

TEST(Json, WrongTypesAndBrokenTextAreErrors) {
  for (const std::string text :
       {"", "{", "[]", "3", R"({"mean": "a"})", R"({"mean": [[1]]})", R"({"mean": []})",
        R"({"mean": [1, 2]})", R"({"pad": {}})", R"({"pad": null})", R"({"crop": true})",
        R"({"resize": "short:1", "resize_short": 2})", R"({"input_size": [1, "x"]})"}) {
    EXPECT_EQ(error_of([&] { (void)parse_preprocessing_json(text, "x"); }).code(),
              ErrorCode::kUsage)
        << text;
  }
}

TEST(Parse, AcceptsTheDocumentedForms) {
  EXPECT_EQ(parse_resize("short:256"), (ResizeRule{ResizeKind::kShort, 256}));
  EXPECT_EQ(parse_resize("LETTERBOX").kind, ResizeKind::kLetterbox);
  EXPECT_EQ(parse_crop("320x240"), (Size{320, 240}));
  EXPECT_EQ(parse_crop("224"), (Size{224, 224}));
  EXPECT_EQ(parse_scale("1/255"), 1.0 / 255.0);
  EXPECT_EQ(parse_mean("0.5,1,2"), (std::vector<double>{0.5, 1, 2}));
  EXPECT_EQ(parse_color("bgr"), ColorOrder::kBgr);
  EXPECT_EQ(parse_pad_at("centre"), PadAt::kCenter);
  EXPECT_EQ(parse_layout("nhwc"), Layout::kNhwc);
}

TEST(Parse, SaysWhatWasFoundAndWhatIsAllowed) {
  const Error resize = error_of([] { (void)parse_resize("leterbox"); });
  EXPECT_TRUE(mentions(resize, "'leterbox'")) << resize.what();
  EXPECT_TRUE(mentions(resize, "did you mean 'letterbox'?")) << resize.what();
  EXPECT_TRUE(mentions(resize, "short:N")) << resize.what();
  const Error interp = error_of([] { (void)parse_interpolation("bilinar"); });
  EXPECT_TRUE(mentions(interp, "bilinear, bicubic, nearest")) << interp.what();
}

TEST(Parse, RefusesNonsense) {
  for (const std::string text :
       {"short", "short:", "short:0", "short:-4", "short:1e9", "long:3x", ""}) {
    EXPECT_THROW((void)parse_resize(text), Error) << text;
  }
  for (const std::string text : {"", "1/0", "nan", "inf", "0", "1/", "abc", "1,2"}) {
    EXPECT_THROW((void)parse_scale(text), Error) << text;
  }
  EXPECT_THROW((void)parse_std("1,-1,1"), Error);
  EXPECT_THROW((void)parse_pad("256"), Error);
  EXPECT_THROW((void)parse_crop("3x"), Error);
}

}  // namespace
}  // namespace qtool::data
