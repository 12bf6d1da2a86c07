#include "qtool/data/synthetic_images.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "qtool/data/preprocess_request.h"

namespace qtool::data {
namespace {

struct Levels {
  double mean = 0.0, deviation = 0.0, step = 0.0;  // step: mean |difference| of neighbours in a row
};

Levels levels_of(const Image& image) {
  Levels levels;
  double squares = 0.0;
  const auto count = static_cast<double>(image.pixels.size());
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    levels.mean += image.pixels[i] / count;
    squares += static_cast<double>(image.pixels[i]) * image.pixels[i] / count;
    if (i >= 3) levels.step += std::abs(image.pixels[i] - image.pixels[i - 3]) / count;
  }
  levels.deviation = std::sqrt(squares - levels.mean * levels.mean);
  return levels;
}

TEST(SyntheticImages, AreTheSameEveryTimeAndDifferByIndex) {
  EXPECT_EQ(synthetic_image(5, 96, 64).pixels, synthetic_image(5, 96, 64).pixels);
  std::set<std::vector<uint8_t>> different;
  for (int64_t i = 0; i < 16; ++i) different.insert(synthetic_image(i, 96, 64).pixels);
  EXPECT_EQ(different.size(), 16U);
}

// Photographs: mean about 115, deviation 50 to 80 of 255, and neighbours that differ by a fraction of the deviation. White noise has
// steps of 1.13 deviations.
TEST(SyntheticImages, HaveTheContrastAndSmoothnessOfPhotographs) {
  double mean = 0.0, deviation = 0.0;
  for (int64_t i = 0; i < 16; ++i) {
    const Levels levels = levels_of(synthetic_image(i, 160, 160));
    EXPECT_GT(levels.deviation, 25.0) << i;
    EXPECT_LT(levels.step, 0.6 * levels.deviation) << i;
    mean += levels.mean / 16;
    deviation += levels.deviation / 16;
  }
  EXPECT_NEAR(mean, 120.0, 25.0);
  EXPECT_NEAR(deviation, 62.0, 20.0);
}

TEST(SyntheticImages, ComePreparedForTheModelWhateverItsSize) {
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{1, 3, 32, 32}, {1, 3, 96, 200}, {1, 1, 48, 48}}) {
    PreprocessingRequest request;
    request.resize = ResizeRule{ResizeKind::kNone};
    const InputSpec input{"x", {DType::kFloat32, Shape(dims)}};
    const auto source = synthetic_image_source(input, resolve_preprocessing(request, input.type.shape), 3, 2);
    ASSERT_EQ(source->size(), 3);
    EXPECT_EQ(source->load(2).at("x").shape(), Shape(dims));
  }
}

TEST(SyntheticImages, DoNotDependOnThreads) {
  const InputSpec input{"x", {DType::kFloat32, Shape{1, 3, 64, 64}}};
  const Preprocessing preprocessing = resolve_preprocessing({}, input.type.shape);
  const auto one = synthetic_image_source(input, preprocessing, 9, 1), many = synthetic_image_source(input, preprocessing, 9, 4);
  for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(one->load(i).at("x").to_float(), many->load(i).at("x").to_float());
}

}  // namespace
}  // namespace qtool::data
