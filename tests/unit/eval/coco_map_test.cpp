#include "qtool/eval/coco_map.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/shared_data.h"

namespace qtool::eval {
namespace {

constexpr double kRounding = 1e-9;

// One image a row of boxes; category 1.
DetectionLabels truth_of(std::vector<std::vector<TruthBox>> boxes) {
  DetectionLabels labels;
  labels.categories = {{1, "thing"}};
  for (auto& list : boxes) {
    for (TruthBox& box : list) {
      if (box.category_id == 0) box.category_id = 1;
      if (box.area == 0) box.area = box.width * box.height;
    }
    labels.images.push_back({static_cast<int64_t>(labels.images.size() + 1), {}, std::move(list)});
  }
  return labels;
}

TruthBox box(double x, double y, double width, double height) {
  TruthBox result;
  result.x = x, result.y = y, result.width = width, result.height = height;
  return result;
}

TEST(CocoMapTest, PerfectDetectionsScoreOne) {
  const auto truth = truth_of({{box(0, 0, 50, 50)}, {box(10, 10, 50, 50)}});
  const std::vector<CocoDetection> found{{1, 1, 0, 0, 50, 50, 0.9}, {2, 1, 10, 10, 50, 50, 0.8}};
  const CocoSummary summary = coco_map(truth, found);
  EXPECT_NEAR(summary.ap(), 1.0, kRounding);
  EXPECT_EQ(summary.stats[3], -1);  // nothing small
  EXPECT_NEAR(summary.stats[4], 1.0, kRounding);
  EXPECT_NEAR(summary.stats[8], 1.0, kRounding);
}

TEST(CocoMapTest, FollowsAHandComputedCurve) {
  // Two objects; by score: hit, miss, hit. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1; made
  // monotone 1, 2/3, 2/3. Recall points 0 .. 0.5 (51 of them) read 1, the other 50 read 2/3.
  const auto truth = truth_of({{box(0, 0, 50, 50), box(200, 0, 50, 50)}});
  const std::vector<CocoDetection> found{
      {1, 1, 0, 0, 50, 50, 0.9}, {1, 1, 400, 0, 50, 50, 0.8}, {1, 1, 200, 0, 50, 50, 0.7}};
  const CocoSummary summary = coco_map(truth, found);
  EXPECT_NEAR(summary.ap50(), (51 + 50 * 2.0 / 3.0) / 101, kRounding);
  EXPECT_NEAR(summary.ap(), summary.ap50(), kRounding);
  EXPECT_NEAR(summary.stats[6], 0.5, kRounding);  // one detection an image
  EXPECT_NEAR(summary.stats[7], 1.0, kRounding);
  ASSERT_EQ(summary.categories.size(), 1u);
  EXPECT_NEAR(summary.categories[0].ap, summary.ap(), kRounding);
}

TEST(CocoMapTest, CountsAnOverlapAtTheThresholdsItReaches) {
  // Boxes 100 x 10 shifted by 25: overlap 75 / 125 = 0.6, so it is a hit at 0.50, 0.55 and 0.60.
  const auto truth = truth_of({{box(0, 0, 100, 10)}});
  const CocoSummary summary =
      coco_map(truth, std::vector<CocoDetection>{{1, 1, 25, 0, 100, 10, 0.5}});
  EXPECT_NEAR(summary.ap(), 0.3, kRounding);
  EXPECT_NEAR(summary.ap50(), 1.0, kRounding);
  EXPECT_NEAR(summary.ap75(), 0.0, kRounding);
}

TEST(CocoMapTest, SecondDetectionOfAnObjectIsAMiss) {
  const auto truth = truth_of({{box(0, 0, 50, 50)}, {box(0, 0, 50, 50)}});
  const std::vector<CocoDetection> found{
      {1, 1, 0, 0, 50, 50, 0.9}, {1, 1, 0, 0, 50, 50, 0.8}, {2, 1, 0, 0, 50, 50, 0.7}};
  EXPECT_NEAR(coco_map(truth, found).ap50(), (51 + 50 * 2.0 / 3.0) / 101, kRounding);
}

TEST(CocoMapTest, CrowdRegionsAbsorbDetections) {
  TruthBox crowd = box(0, 0, 300, 300);
  crowd.crowd = true;
  const auto truth = truth_of({{crowd, box(400, 0, 50, 50)}});
  const std::vector<CocoDetection> found{
      {1, 1, 10, 10, 50, 50, 0.9}, {1, 1, 100, 100, 50, 50, 0.8}, {1, 1, 400, 0, 50, 50, 0.7}};
  EXPECT_NEAR(coco_map(truth, found).ap(), 1.0, kRounding);
}

TEST(CocoMapTest, DetectionsOutsideOfTheAreaRangeDoNotCount) {
  // The small object is found; the large stray box is a miss for "all" only.
  const auto truth = truth_of({{box(0, 0, 10, 10)}});
  const std::vector<CocoDetection> found{{1, 1, 300, 0, 200, 200, 0.9}, {1, 1, 0, 0, 10, 10, 0.8}};
  const CocoSummary summary = coco_map(truth, found);
  EXPECT_NEAR(summary.ap(), 0.5, kRounding);
  EXPECT_NEAR(summary.stats[3], 1.0, kRounding);
  EXPECT_EQ(summary.stats[5], -1);
}

TEST(CocoMapTest, CategoriesWithoutObjectsAreLeftOutOfTheMean) {
  auto truth = truth_of({{box(0, 0, 50, 50)}});
  truth.categories.push_back({2, "other"});
  const std::vector<CocoDetection> found{{1, 1, 0, 0, 50, 50, 0.9}, {1, 2, 0, 0, 50, 50, 0.9}};
  const CocoSummary summary = coco_map(truth, found);
  EXPECT_NEAR(summary.ap(), 1.0, kRounding);
  EXPECT_EQ(summary.categories[1].ap, -1);
  EXPECT_EQ(coco_map(truth, found, std::vector<int64_t>{2}).ap(), -1);
}

TEST(CocoMapTest, NothingFoundIsZeroAndNothingToFindIsMinusOne) {
  EXPECT_EQ(coco_map(truth_of({{box(0, 0, 50, 50)}}), {}).ap(), 0);
  EXPECT_EQ(coco_map(truth_of({{}}), {}).ap(), -1);
}

TEST(CocoMapTest, RefusesDetectionsOfUnknownImages) {
  const auto truth = truth_of({{box(0, 0, 50, 50)}});
  EXPECT_TRUE(mentions(error_of([&] {
                         (void)coco_map(truth, std::vector<CocoDetection>{{77, 1, 0, 0, 1, 1, 1}});
                       }),
                       "image 77"));
}

TEST(CocoMapTest, EqualsPycocotoolsOnRealDetections) {
  QTOOL_NEEDS_SHARED_DATA();
  const auto coco = testing::shared_data() / "coco";
  std::ifstream file(coco / "yolov8n_val300_dets.json");
  std::vector<CocoDetection> found;
  for (const auto& d : nlohmann::json::parse(file)) {
    const auto b = d.at("bbox").get<std::vector<double>>();
    found.push_back({d.at("image_id"), d.at("category_id"), b[0], b[1], b[2], b[3], d.at("score")});
  }
  SilentReporter silent;
  const auto labels =
      load_labels(coco / "images", {.path = coco / "instances_val300.json"}, silent);
  const CocoSummary summary = coco_map(std::get<DetectionLabels>(labels), found);

  // The file prints three digits, README.md of the data five.
  constexpr std::array<double, 12> kExpected{0.38347, 0.53602, 0.41592, 0.18733, 0.39227, 0.59488,
                                             0.32249, 0.53646, 0.58522, 0.35336, 0.60975, 0.77619};
  std::ifstream printed(coco / "yolov8n_val300_pycocotools.txt");
  for (size_t i = 0; i < kExpected.size(); ++i) {
    EXPECT_NEAR(summary.stats[i], kExpected[i], 0.51e-5) << coco_stat_name(i);
    std::string line;
    ASSERT_TRUE(std::getline(printed, line));
    EXPECT_NEAR(summary.stats[i], std::stod(line.substr(line.rfind('=') + 1)), 0.51e-3);
  }
}

}  // namespace
}  // namespace qtool::eval
