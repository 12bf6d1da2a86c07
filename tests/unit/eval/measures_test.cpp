// Accuracy, class maps and signal measures.
#include <cmath>
#include <limits>

#include "fixture.h"
#include "qtool/eval/classification.h"
#include "qtool/eval/segmentation.h"
#include "qtool/eval/signal.h"

namespace qtool::eval {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ClassificationTest, TiesGoToTheFirstClassAndNanIsLast) {
  EXPECT_EQ(best_classes(std::vector<float>{1, 3, kNan, 3, 2}, 5),
            (std::vector<int64_t>{1, 3, 4, 0, 2}));
  EXPECT_EQ(best_classes(std::vector<float>{1, 2}, 5).size(), 2u);
  EXPECT_TRUE(best_classes({}, 5).empty());
}

TEST(ClassificationTest, CountsTopOneAndTopFive) {
  Accuracy accuracy;
  accuracy.add(std::vector<int64_t>{3, 1, 2, 0, 4}, 3);
  accuracy.add(std::vector<int64_t>{3, 1, 2, 0, 4}, 4);
  accuracy.add(std::vector<int64_t>{3, 1, 2, 0, 4, 7}, 7);
  accuracy.add(std::vector<int64_t>{3}, 9);
  EXPECT_DOUBLE_EQ(accuracy.top1(), 0.25);
  EXPECT_DOUBLE_EQ(accuracy.top5(), 0.5);
  EXPECT_EQ(Accuracy{}.top1(), 0.0);
}

TEST(ClassificationTest, AgreementIsTheShareOfEqualChoices) {
  EXPECT_DOUBLE_EQ(agreement(std::vector<int64_t>{1, 2, 3, 4}, std::vector<int64_t>{1, 2, 3, 5}),
                   0.75);
}

TEST(SignalTest, MeasuresNoiseInDecibel) {
  SignalSums sums;
  sums.add(std::vector<float>{1, 2, 2}, std::vector<float>{1, 2, 2.3f});
  EXPECT_NEAR(sums.sqnr_db(), 20.0, 1e-5);  // power 9, noise 0.09
  EXPECT_NEAR(sums.max_abs_difference, 0.3, 1e-6);
}

TEST(SignalTest, CosineIgnoresScale) {
  SignalSums sums;
  sums.add(std::vector<float>{1, 2, 3}, std::vector<float>{-2, -4, -6});
  EXPECT_DOUBLE_EQ(sums.cosine(), -1.0);
}

TEST(SignalTest, SilenceHasDefinedValues) {
  SignalSums none;
  EXPECT_EQ(none.sqnr_db(), kInfinity);
  EXPECT_EQ(none.cosine(), 1.0);
  SignalSums zero_reference;
  zero_reference.add(std::vector<float>{0, 0}, std::vector<float>{0, 1});
  EXPECT_EQ(zero_reference.sqnr_db(), -kInfinity);
  EXPECT_EQ(zero_reference.cosine(), 0.0);
}

TEST(SignalTest, ValuesThatAreNotFiniteAreCountedAndLeftOut) {
  SignalSums sums;
  sums.add(std::vector<float>{1, 2, 3}, std::vector<float>{1, kNan, 3});
  EXPECT_EQ(sums.non_finite, 1);
  EXPECT_EQ(sums.elements, 3);
  EXPECT_EQ(sums.sqnr_db(), kInfinity);
}

TEST(SignalTest, PartsAddUp) {
  SignalSums whole, first, second;
  whole.add(std::vector<float>{1, 2, 4}, std::vector<float>{1, 1, 5});
  first.add(std::vector<float>{1}, std::vector<float>{1});
  second.add(std::vector<float>{2, 4}, std::vector<float>{1, 5});
  first.merge(second);
  EXPECT_DOUBLE_EQ(first.sqnr_db(), whole.sqnr_db());
  EXPECT_DOUBLE_EQ(first.cosine(), whole.cosine());
  EXPECT_EQ(first.elements, 3);
}

data::Image map_of(int width, std::vector<uint8_t> pixels) {
  data::Image image;
  image.channels = 1;
  image.width = width;
  image.height = static_cast<int>(pixels.size()) / width;
  image.pixels = std::move(pixels);
  return image;
}

TEST(SegmentationTest, MeanIouRunsOverTheClassesOfTheTruth) {
  // Class 0: truth 2, predicted 2, both 1 -> 1/3. Class 2: truth 2, predicted 1, both 1 -> 1/2.
  // Class 1 is predicted once where 2 is true; it is not in the truth. The fifth pixel is ignored.
  ConfusionMatrix matrix;
  matrix.add(map_of(5, {0, 0, 2, 2, 255}), map_of(5, {0, 1, 2, 0, 2}));
  EXPECT_DOUBLE_EQ(matrix.mean_iou(), (1.0 / 3 + 1.0 / 2) / 2);
  EXPECT_DOUBLE_EQ(matrix.pixel_accuracy(), 0.5);
  EXPECT_EQ(matrix.class_iou().size(), 3u);
  EXPECT_EQ(matrix.class_iou()[1], -1);
  EXPECT_EQ(ConfusionMatrix{}.mean_iou(), 0.0);
  EXPECT_EQ(ConfusionMatrix{}.largest_true_class(), -1);
}

data::LetterboxGeometry geometry_of(data::Size resized, data::Size original) {
  data::LetterboxGeometry geometry;
  geometry.resized = resized;
  geometry.original = original;
  return geometry;
}

TEST(SegmentationTest, ClassMapTakesTheBestClassOfTheCoveredPart) {
  // Two classes on 2 x 2; the picture covers the left column and is 2 pixels wide, 4 high.
  const Tensor output = Tensor::from<float>({1, 2, 2, 2}, {0, 9, 5, 9, 1, 0, 5, 0});
  const data::Image map =
      class_map(output, data::Layout::kNchw, geometry_of({1, 2}, {2, 4}), {2, 2});
  EXPECT_EQ(map.width, 2);
  EXPECT_EQ(map.pixels, (std::vector<uint8_t>{1, 1, 1, 1, 0, 0, 0, 0}));  // a tie: the first class
}

TEST(SegmentationTest, ReadyClassMapsAndNhwcAreReadToo) {
  const auto whole = geometry_of({2, 1}, {2, 1});
  const Tensor ready = Tensor::from<float>({1, 1, 2}, {3, 7});
  EXPECT_EQ(class_map(ready, data::Layout::kNchw, whole, {2, 1}).pixels,
            (std::vector<uint8_t>{3, 7}));
  const Tensor nhwc = Tensor::from<float>({1, 1, 2, 2}, {0, 1, 1, 0});
  EXPECT_EQ(class_map(nhwc, data::Layout::kNhwc, whole, {2, 1}).pixels,
            (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(segmentation_classes({1, 21, 9, 9}, data::Layout::kNchw), 21);
  EXPECT_EQ(error_of([] {
              (void)segmentation_classes({1, 1000}, data::Layout::kNchw);
            }).code(),
            ErrorCode::kUnsupported);
}

class MaskTest : public FolderTest {};

TEST_F(MaskTest, ReadsGreyLevelsAndPaletteIndices) {
  write_grey_png(folder_ / "grey.png", 3, 1, {0, 20, 255});
  EXPECT_EQ(read_mask(folder_ / "grey.png").pixels, (std::vector<uint8_t>{0, 20, 255}));
  const std::vector<Rgb> palette{{0, 0, 0}, {128, 0, 0}, {0, 128, 0}};
  const std::vector<uint8_t> indices{2, 0, 1};
  write_png(folder_ / "palette.png", 3, 1, PNG_FORMAT_RGB_COLORMAP, indices.data(), palette.data(),
            3);
  EXPECT_EQ(read_mask(folder_ / "palette.png").pixels, indices);
}

TEST_F(MaskTest, RefusesColourAndOtherFiles) {
  write_flat_png(folder_ / "colour.png", 3, 1, {1, 2, 3});
  write("text.png", "no picture");
  EXPECT_TRUE(
      mentions(error_of([&] { (void)read_mask(folder_ / "colour.png"); }), "colour type 2"));
  EXPECT_EQ(error_of([&] { (void)read_mask(folder_ / "text.png"); }).code(),
            ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace qtool::eval
