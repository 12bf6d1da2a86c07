#include "qtool/eval/nms.h"

#include <limits>

#include <gtest/gtest.h>

namespace qtool::eval {
namespace {

Proposals proposals(std::vector<Box> boxes, int64_t classes, std::vector<float> scores) {
  return {std::move(boxes), classes, std::move(scores)};
}

TEST(NmsTest, KeepsTheBestOfOverlappingBoxesOfOneClass) {
  // Overlap of the first two: 90 / 110.
  const auto input =
      proposals({{0, 0, 100, 1}, {10, 0, 110, 1}, {200, 0, 300, 1}}, 1, {0.5f, 0.9f, 0.1f});
  const auto found = select_detections(input, {});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].x1, 10);
  EXPECT_EQ(found[1].x1, 200);
  EXPECT_EQ(select_detections(input, {.nms_iou = 0.85}).size(), 3u);
}

TEST(NmsTest, ClassesDoNotSuppressEachOther) {
  const auto input = proposals({{0, 0, 10, 10}, {0, 0, 10, 10}}, 2, {0.9f, 0.0f, 0.0f, 0.8f});
  EXPECT_EQ(select_detections(input, {}).size(), 2u);
}

TEST(NmsTest, MultiLabelCountsABoxForEveryClass) {
  const auto input = proposals({{0, 0, 10, 10}}, 3, {0.2f, 0.6f, 0.0005f});
  const auto all = select_detections(input, {});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].class_index, 1);
  const auto best = select_detections(input, {.multi_label = false});
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].class_index, 1);
}

TEST(NmsTest, PassesOverBackground) {
  const auto input = proposals({{0, 0, 10, 10}}, 2, {0.9f, 0.2f});
  const auto found = select_detections(input, {.multi_label = false, .first_class = 1});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].class_index, 1);
}

TEST(NmsTest, CapsAreAppliedToTheBestOnes) {
  const auto input = proposals({{0, 0, 1, 1}, {5, 0, 6, 1}, {9, 0, 10, 1}}, 1, {0.1f, 0.3f, 0.2f});
  EXPECT_EQ(select_detections(input, {.max_detections = 1}).at(0).x1, 5);
  EXPECT_EQ(select_detections(input, {.max_candidates = 2}).size(), 2u);
}

TEST(NmsTest, ValuesThatAreNotFiniteAreDropped) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto input = proposals({{nan, 0, 1, 1}, {0, 0, infinity, 1}, {0, 0, 1, 1}, {0, 0, 1, 1}}, 1,
                               {0.9f, 0.9f, nan, infinity});
  EXPECT_TRUE(select_detections(input, {}).empty());
}

TEST(NmsTest, EqualScoresKeepTheOrderOfBoxes) {
  const auto input = proposals({{5, 0, 6, 1}, {0, 0, 1, 1}}, 1, {0.5f, 0.5f});
  EXPECT_EQ(select_detections(input, {}).at(0).x1, 5);
}

TEST(NmsTest, MapsBackToThePictureAndClips) {
  data::LetterboxGeometry geometry;
  geometry.ratio_x = geometry.ratio_y = 0.5;
  geometry.pad_y = 10;
  geometry.original = {100, 80};
  std::vector<Detection> found{{-5, 20, 60, 30, 0.5f, 0}};
  map_to_original(found, geometry);
  EXPECT_EQ(found[0].x1, 0);
  EXPECT_EQ(found[0].x2, 100);
  EXPECT_EQ(found[0].y1, 20);
  EXPECT_EQ(found[0].y2, 40);
}

}  // namespace
}  // namespace qtool::eval
