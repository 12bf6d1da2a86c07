// From scored boxes to final detections: threshold, non-maximum suppression for each class, cap.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/eval/decoder.h"

namespace qtool::eval {

struct Detection {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float score = 0;  // 0..1
  int64_t class_index = 0;
};

struct DetectionThresholds {
  double confidence = 0.001;  // a score must be above it
  double nms_iou = 0.7;       // boxes of one class that overlap a better one by more are dropped
  int64_t max_detections = 300;
  int64_t max_candidates = 30000;  // best ones that enter suppression
  bool multi_label = true;         // a box counts for every class above the confidence, not only
                                   // for its best one
  int64_t first_class = 0;         // classes before it (a background class) are passed over
};

// Best first. Equal scores keep the order of boxes, then classes. Boxes with coordinates or scores
// that are not finite are dropped.
[[nodiscard]] std::vector<Detection> select_detections(const Proposals& proposals,
                                                       const DetectionThresholds& thresholds);

// Model input pixels -> pixels of the original picture, clipped to it.
void map_to_original(std::vector<Detection>& detections, const data::LetterboxGeometry& geometry);

}  // namespace qtool::eval
