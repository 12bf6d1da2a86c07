// Operators that sample, select or place regions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using Ints = std::vector<int64_t>;

constexpr float kTolerance = 1e-5f;

// Boxes 0 and 1 overlap by 0.9 / 1.1 = 0.82; box 2 is apart.
NodeCase three_boxes() {
  return {.op = "NonMaxSuppression", .opset = 11,
          .inputs = {floats({1, 3, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11}), floats({1, 1, 3}, {0.7f, 0.9f, 0.8f}),
                     Tensor::from<int64_t>({1}, {3}), floats({1}, {0.5f}), floats({1}, {0.0f})}};
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  const Tensor y = run(three_boxes());
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_THAT(values<int64_t>(y), ElementsAre(0, 0, 1, 0, 0, 2));
}

TEST(NonMaxSuppression, KeepsOverlapsUpToTheThreshold) {
  NodeCase test = three_boxes();
  test.inputs[3] = floats({1}, {0.9f});
  EXPECT_THAT(values<int64_t>(run(test)), ElementsAre(0, 0, 1, 0, 0, 2, 0, 0, 0));
}

TEST(NonMaxSuppression, SelectsNothingWithoutALimit) {
  NodeCase test = three_boxes();
  test.inputs.resize(2);
  const Tensor y = run(test);
  EXPECT_EQ(y.shape(), (Shape{0, 3}));
}

TEST(NonMaxSuppression, AcceptsCornersInAnyOrderAndCentres) {
  NodeCase test = three_boxes();
  test.inputs[0] = floats({1, 3, 4}, {1, 1, 0, 0, 1, 1.1f, 0, 0.1f, 1, 11, 0, 10});
  EXPECT_THAT(values<int64_t>(run(test)), ElementsAre(0, 0, 1, 0, 0, 2));
  test.attributes["center_point_box"] = int64_t{1};
  test.inputs[0] = floats({1, 3, 4}, {0.5f, 0.5f, 1, 1, 0.6f, 0.5f, 1, 1, 10.5f, 0.5f, 1, 1});
  EXPECT_THAT(values<int64_t>(run(test)), ElementsAre(0, 0, 1, 0, 0, 2));
}

TEST(NonMaxSuppression, TakesTheLowerIndexOfEqualScores) {
  NodeCase test = three_boxes();
  test.inputs[1] = floats({1, 1, 3}, {0.5f, 0.5f, 0.5f});
  EXPECT_THAT(values<int64_t>(run(test)), ElementsAre(0, 0, 0, 0, 0, 2));
}

TEST(NonMaxSuppression, DropsScoresAtTheThreshold) {
  NodeCase test = three_boxes();
  test.inputs[4] = floats({1}, {0.8f});
  EXPECT_THAT(values<int64_t>(run(test)), ElementsAre(0, 0, 1));
}

TEST(NonMaxSuppression, HasNoStaticShape) { EXPECT_FALSE(infer_without_values(three_boxes())[0].has_value()); }

TEST(RoiAlign, ShiftsByHalfAPixelSinceOpset16) {
  // One sample in the middle of the region (0, 0) - (2, 2) of 0..15 on 4x4: at (1, 1) = 5, shifted (0.5, 0.5) = 2.5.
  NodeCase test{.op = "RoiAlign", .opset = 10,
                .attributes = {{"output_height", int64_t{1}}, {"output_width", int64_t{1}}, {"sampling_ratio", int64_t{1}}},
                .inputs = {counting({1, 1, 4, 4}), floats({1, 4}, {0, 0, 2, 2}), Tensor::from<int64_t>({1}, {0})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(5));
  test.opset = 16;
  EXPECT_THAT(values<float>(run(test)), ElementsAre(2.5f));
  test.attributes["coordinate_transformation_mode"] = std::string("output_half_pixel");
  EXPECT_THAT(values<float>(run(test)), ElementsAre(5));
}

TEST(RoiAlign, RefusesAnImageThatIsNotThere) {
  EXPECT_THROW((void)run({.op = "RoiAlign", .inputs = {counting({1, 1, 4, 4}), floats({1, 4}, {0, 0, 2, 2}),
                                                       Tensor::from<int64_t>({1}, {3})}}),
               Error);
}

TEST(MaxRoiPool, IncludesBothCorners) {
  const Tensor y = run({.op = "MaxRoiPool", .attributes = {{"pooled_shape", Ints{1, 2}}},
                        .inputs = {counting({1, 1, 4, 4}), floats({1, 5}, {0, 0, 0, 3, 1})}});
  EXPECT_THAT(values<float>(y), ElementsAre(5, 7));
}

NodeCase sample_row(std::initializer_list<float> x_coordinates, Attributes attributes) {
  std::vector<float> grid;
  for (const float x : x_coordinates) grid.insert(grid.end(), {x, 0.0f});
  const auto count = static_cast<int64_t>(x_coordinates.size());
  return {.op = "GridSample", .opset = 20, .attributes = std::move(attributes),
          .inputs = {floats({1, 1, 1, 4}, {1, 2, 3, 4}), Tensor::from<float>(Shape{1, 1, count, 2}, std::span<const float>(grid))}};
}

TEST(GridSample, MapsTheEndsToPixelCentresOrBorders) {
  // Without align_corners -1 is the left border of pixel 0: half of it is padding.
  EXPECT_THAT(values<float>(run(sample_row({-1, 1}, {}))), ElementsAre(0.5f, 2));
  EXPECT_THAT(values<float>(run(sample_row({-1, 1}, {{"align_corners", int64_t{1}}}))), ElementsAre(1, 4));
}

TEST(GridSample, PadsInThreeWays) {
  // Pixel positions -2 and 5 (align_corners: -1 .. 1 spans 3 pixels).
  const std::initializer_list<float> outside = {-1.0f - 4.0f / 3.0f, 1.0f + 4.0f / 3.0f};
  Attributes attributes{{"align_corners", int64_t{1}}, {"mode", std::string("nearest")}};
  EXPECT_THAT(values<float>(run(sample_row(outside, attributes))), ElementsAre(0, 0));
  attributes["padding_mode"] = std::string("border");
  EXPECT_THAT(values<float>(run(sample_row(outside, attributes))), ElementsAre(1, 4));
  attributes["padding_mode"] = std::string("reflection");
  EXPECT_THAT(values<float>(run(sample_row(outside, attributes))), ElementsAre(3, 2));
}

TEST(GridSample, TakesTheNamesOfBothVersions) {
  NodeCase test = sample_row({0.1f}, {{"align_corners", int64_t{1}}, {"mode", std::string("bicubic")}});
  test.opset = 16;
  const Tensor old_name = run(test);
  test.attributes["mode"] = std::string("cubic");
  test.opset = 20;
  EXPECT_TRUE(run(test).identical(old_name));
}

TEST(GridSample, SurvivesCoordinatesThatAreNoNumbers) {
  EXPECT_THAT(values<float>(run(sample_row({std::nanf(""), INFINITY, 1e30f}, {}))), ElementsAre(0, 0, 0));
}

TEST(AffineGrid, OfTheIdentityIsTheSamplingGrid) {
  const Tensor y = run({.op = "AffineGrid", .opset = 20,
                        .inputs = {floats({1, 2, 3}, {1, 0, 0, 0, 1, 0}), Tensor::from<int64_t>({4}, {1, 1, 1, 2})}});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 2, 2}));
  EXPECT_THAT(values<float>(y), ElementsAre(-0.5f, 0, 0.5f, 0));
}

TEST(CenterCropPad, CropsOneAxisAndPadsAnother) {
  const Tensor y = run({.op = "CenterCropPad", .opset = 18,
                        .inputs = {floats({1, 3}, {1, 2, 3}), Tensor::from<int64_t>({2}, {2, 2})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1, 2, 0, 0));
}

TEST(Col2Im, AddsOverlappingBlocks) {
  // Image of 3, blocks of 2: columns (1, 2) and (10, 20) land on 0..1 and 1..2.
  const Tensor y = run({.op = "Col2Im", .opset = 18,
                        .inputs = {floats({1, 2, 2}, {1, 10, 2, 20}), Tensor::from<int64_t>({1}, {3}), Tensor::from<int64_t>({1}, {2})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1, 12, 20));
}

}  // namespace
}  // namespace qtool::ops::testing
