#include "qtool/eval/bootstrap.h"

#include <gtest/gtest.h>

#include <numeric>

#include "qtool/eval/coco_map.h"

namespace qtool::eval {
namespace {

Labels class_labels(int64_t count) {
  ClassLabels labels;
  for (int64_t i = 0; i < count; ++i) labels.images.push_back({{}, i % 3});
  return labels;
}

EvaluationResult predictions(int64_t count, int64_t wrong_every) {
  EvaluationResult result;
  for (int64_t i = 0; i < count; ++i) result.predicted_classes.push_back(i % wrong_every == 0 ? 9 : i % 3);
  return result;
}

TEST(BootstrapTest, AccuracyCountsDrawnImagesAsOftenAsTheyWereDrawn) {
  const Labels labels = class_labels(4);
  const auto metric = resampled_metric(labels, predictions(4, 4));  // image 0 is wrong
  EXPECT_DOUBLE_EQ(metric->value(std::vector<int32_t>{1, 1, 1, 1}), 0.75);
  EXPECT_DOUBLE_EQ(metric->value(std::vector<int32_t>{3, 0, 1, 0}), 0.25);
}

TEST(BootstrapTest, IntervalCoversTheDropAndIsEqualForAnyThreadCount) {
  const Labels labels = class_labels(500);
  const auto reference = resampled_metric(labels, predictions(500, 10));
  const auto test = resampled_metric(labels, predictions(500, 5));
  const auto drop = [&](int threads) {
    const BootstrapOptions options{.threads = threads};
    return bootstrap_drop(bootstrap_values(*reference, 500, options), bootstrap_values(*test, 500, options), options.level);
  };
  const Interval one = drop(1), two = drop(2);
  EXPECT_EQ(one.low, two.low);
  EXPECT_EQ(one.high, two.high);
  // Ten points of a hundred; binomial: 1.96 * sqrt(0.1 * 0.9 / 500) = 0.026 to either side.
  EXPECT_NEAR(one.low, 0.1 - 0.026, 0.006);
  EXPECT_NEAR(one.high, 0.1 + 0.026, 0.006);
}

TEST(BootstrapTest, AModelDoesNotDifferFromItself) {
  const Labels labels = class_labels(50);
  const auto metric = resampled_metric(labels, predictions(50, 4));
  const std::vector<double> values = bootstrap_values(*metric, 50, {});
  const Interval interval = bootstrap_drop(values, values, 0.95);
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 0);
}

DetectionLabels boxes_in(int64_t images) {
  DetectionLabels labels;
  labels.categories = {{1, "a"}, {2, "b"}};
  for (int64_t i = 0; i < images; ++i) {
    LabelledImage image{i, {}, {}};
    for (const int64_t category : {1, 2}) {
      TruthBox box{10.0 * static_cast<double>(category), 10, 20, 20, 400, category, false};
      if ((i + category) % 3 != 0) image.boxes.push_back(box);
    }
    labels.images.push_back(image);
  }
  return labels;
}

EvaluationResult detections_for(const DetectionLabels& labels) {
  EvaluationResult result;
  for (const LabelledImage& image : labels.images) {
    for (const int64_t category : {1, 2}) {
      const double shift = static_cast<double>((image.id * 7 + category * 3) % 9);
      const double score = 0.1 + 0.8 / (1.0 + static_cast<double>((image.id * 5 + category) % 7));
      result.detections.push_back({image.id, category, 10.0 * static_cast<double>(category) + shift, 10, 20, 20, score});
    }
  }
  return result;
}

TEST(BootstrapTest, MapEqualsTheMetricWhenEachImageCountsOnce) {
  const DetectionLabels labels = boxes_in(30);
  const EvaluationResult result = detections_for(labels);
  const double expected = coco_map(labels, result.detections).ap();
  const auto metric = resampled_metric(Labels(labels), result);
  EXPECT_NEAR(metric->value(std::vector<int32_t>(30, 1)), expected, 1e-12);
}

TEST(BootstrapTest, MapOfDrawnImagesEqualsTheMetricOfThoseImagesAlone) {
  const DetectionLabels labels = boxes_in(30);
  const EvaluationResult result = detections_for(labels);
  std::vector<int32_t> multiplicity(30, 0);
  std::fill(multiplicity.begin() + 5, multiplicity.begin() + 17, 1);
  DetectionLabels part = labels;
  part.images.assign(labels.images.begin() + 5, labels.images.begin() + 17);
  const EvaluationResult part_result = detections_for(part);
  const auto metric = resampled_metric(Labels(labels), result);
  EXPECT_NEAR(metric->value(multiplicity), coco_map(part, part_result.detections).ap(), 1e-12);
}

TEST(BootstrapTest, MeanIouWeighsTheCellsOfImages) {
  EvaluationResult result;
  result.pixel_counts = {{{0, 0, 10}}, {{0, 1, 5}, {1, 1, 5}}};
  const auto metric = resampled_metric(Labels(SegmentationLabels{}), result);
  EXPECT_DOUBLE_EQ(metric->value(std::vector<int32_t>{1, 0}), 1.0);
  EXPECT_DOUBLE_EQ(metric->value(std::vector<int32_t>{1, 1}), (10.0 / 15 + 5.0 / 10) / 2);
}

}  // namespace
}  // namespace qtool::eval
