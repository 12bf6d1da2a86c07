// The matching of detections with objects that every number of COCO rests on, for one category at a
// time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "qtool/eval/coco_map.h"

namespace qtool::eval {

inline constexpr size_t kIouCount = 10;
inline constexpr size_t kRecallCount = 101;
inline constexpr size_t kMostDetections = 100;  // an image and category

struct AreaRange {
  double low, high;  // square pixels, both inclusive
};
inline constexpr std::array<AreaRange, 4> kAreas{
    {{0, 1e10}, {0, 32.0 * 32.0}, {32.0 * 32.0, 96.0 * 96.0}, {96.0 * 96.0, 1e10}}};

[[nodiscard]] const std::array<double, kIouCount>& iou_thresholds();
[[nodiscard]] const std::array<double, kRecallCount>& recall_points();

// Objects and detections of one category in one image; detections best first, at most 100.
struct ImageCase {
  std::vector<const TruthBox*> truth;
  std::vector<const CocoDetection*> detections;
  std::vector<double> overlap;  // [detections, truth]

  [[nodiscard]] double iou(size_t detection, size_t object) const {
    return overlap[detection * truth.size() + object];
  }
};

// What became of one detection at each IoU threshold.
struct Verdict {
  double score = 0;
  size_t rank = 0;  // in its image, 0 the best
  std::array<bool, kIouCount> matched{};
  std::array<bool, kIouCount> ignored{};
};

struct ImageVerdicts {
  int64_t objects = 0;  // that count
  std::vector<Verdict> detections;
};

// Greedy matching of one image, best detection first (COCOeval.evaluateImg).
[[nodiscard]] ImageVerdicts match(const ImageCase& image, const AreaRange& range);

// Cases of every measured category (`wanted`; empty: all of the labels), by image in ascending order
// of ids. Throws Error(kInvalidData) for detections of images without labels.
[[nodiscard]] std::map<int64_t, std::vector<ImageCase>> make_cases(
    const DetectionLabels& truth, std::span<const CocoDetection> detections,
    std::span<const int64_t> wanted);

}  // namespace qtool::eval
