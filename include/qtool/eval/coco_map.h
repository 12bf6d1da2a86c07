// Average precision and recall of boxes, by the rules of the COCO challenge.
//
// The twelve numbers equal those of pycocotools' COCOeval (iouType "bbox") to rounding: greedy
// matching by score at the IoU thresholds 0.50:0.05:0.95, crowd regions and objects outside of the
// area range ignored, precision read at 101 recall points, mean over the categories that have
// objects.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "qtool/eval/labels.h"

namespace qtool::eval {

struct CocoDetection {
  int64_t image_id = 0;
  int64_t category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;  // pixels of the picture, top left corner
  double score = 0;
};

struct CategoryPrecision {
  int64_t category_id = 0;
  double ap = -1;  // mean over the IoU thresholds, all areas, 100 detections; -1: no objects
  double ap50 = -1;
};

// Numbers in 0..1; -1 where no object of that kind exists.
struct CocoSummary {
  std::array<double, 12> stats{};  // in pycocotools' order
  std::vector<CategoryPrecision> categories;

  [[nodiscard]] double ap() const { return stats[0]; }
  [[nodiscard]] double ap50() const { return stats[1]; }
  [[nodiscard]] double ap75() const { return stats[2]; }
};

// "AP", "AP50", "AP75", "AP_small", ..., "AR_1", "AR_10", "AR_100", "AR_small", ...
[[nodiscard]] std::string_view coco_stat_name(size_t index);

// Only these categories are measured; empty: all of the labels. Detections of other images throw
// Error(kInvalidData); those of other categories do not count. The order of detections with equal
// scores matters, as it does for pycocotools.
[[nodiscard]] CocoSummary coco_map(const DetectionLabels& truth,
                                   std::span<const CocoDetection> detections,
                                   std::span<const int64_t> categories = {});

}  // namespace qtool::eval
