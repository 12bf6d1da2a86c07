#include "qtool/eval/nms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace qtool::eval {

namespace {

struct Candidate {
  size_t box;
  int64_t class_index;
  float score;
};

bool is_finite(const Box& box) {
  return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
         std::isfinite(box.y2);
}

// Scores that are not finite fail the comparison (NaN) or are refused (infinity).
bool passes(float score, double confidence) { return score > confidence && std::isfinite(score); }

std::vector<Candidate> final_candidates(const Proposals& proposals,
                                        const DetectionThresholds& thresholds) {
  std::vector<Candidate> candidates;
  for (size_t box = 0; box < proposals.boxes.size(); ++box) {
    const int64_t klass = proposals.final_classes[box];
    const bool wanted = klass >= thresholds.first_class && klass < proposals.class_count;
    if (wanted && is_finite(proposals.boxes[box]) &&
        passes(proposals.scores[box], static_cast<float>(thresholds.confidence))) {
      candidates.push_back({box, klass, proposals.scores[box]});
    }
  }
  return candidates;
}

std::vector<Candidate> find_candidates(const Proposals& proposals,
                                       const DetectionThresholds& thresholds) {
  std::vector<Candidate> candidates;
  const int64_t classes = proposals.class_count;
  // The threshold is compared in float32, as the scores are.
  const auto confidence = static_cast<float>(thresholds.confidence);
  for (size_t box = 0; box < proposals.boxes.size(); ++box) {
    const float* scores = proposals.scores.data() + box * static_cast<size_t>(classes);
    if (!is_finite(proposals.boxes[box])) continue;
    if (thresholds.multi_label) {
      for (int64_t c = thresholds.first_class; c < classes; ++c) {
        if (passes(scores[c], confidence)) candidates.push_back({box, c, scores[c]});
      }
      continue;
    }
    if (thresholds.first_class >= classes) continue;
    const float* best = std::max_element(scores + thresholds.first_class, scores + classes);
    if (passes(*best, confidence)) candidates.push_back({box, best - scores, *best});
  }
  return candidates;
}

double area_of(const Box& box) {
  return (static_cast<double>(box.x2) - box.x1) * (static_cast<double>(box.y2) - box.y1);
}

// Intersection over union in the rounding of cv::dnn::NMSBoxes, whose last step is float32.
float overlap_of(const Box& a, const Box& b) {
  const double areas = area_of(a) + area_of(b);
  if (areas <= std::numeric_limits<double>::epsilon()) return 1.0f;  // points: the same box
  const double width = static_cast<double>(std::min(a.x2, b.x2)) - std::max(a.x1, b.x1);
  const double height = static_cast<double>(std::min(a.y2, b.y2)) - std::max(a.y1, b.y1);
  const double both = width <= 0 || height <= 0 ? 0.0 : width * height;
  return 1.0f - static_cast<float>(1.0 - both / (areas - both));
}

}  // namespace

std::vector<Detection> select_detections(const Proposals& proposals,
                                         const DetectionThresholds& thresholds) {
  std::vector<Candidate> candidates = proposals.is_final ? final_candidates(proposals, thresholds)
                                                         : find_candidates(proposals, thresholds);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  const auto most = static_cast<size_t>(std::max<int64_t>(thresholds.max_candidates, 0));
  if (candidates.size() > most) candidates.resize(most);

  const auto limit = static_cast<size_t>(std::max<int64_t>(thresholds.max_detections, 0));
  const auto most_overlap = static_cast<float>(thresholds.nms_iou);
  std::unordered_map<int64_t, std::vector<const Box*>> kept;
  std::vector<Detection> detections;
  for (const Candidate& candidate : candidates) {
    if (detections.size() >= limit) break;
    const Box& box = proposals.boxes[candidate.box];
    std::vector<const Box*>& rivals = kept[candidate.class_index];
    const bool covered = !proposals.is_final && std::any_of(rivals.begin(), rivals.end(), [&](const Box* rival) {
      return overlap_of(box, *rival) > most_overlap;
    });
    if (covered) continue;
    rivals.push_back(&box);
    detections.push_back({box.x1, box.y1, box.x2, box.y2, candidate.score, candidate.class_index});
  }
  return detections;
}

void map_to_original(std::vector<Detection>& detections, const data::LetterboxGeometry& geometry) {
  const auto [width, height] = geometry.original;
  const auto to_x = [&](double x) {
    return std::clamp(geometry.to_original_x(x), 0.0, static_cast<double>(width));
  };
  const auto to_y = [&](double y) {
    return std::clamp(geometry.to_original_y(y), 0.0, static_cast<double>(height));
  };
  for (Detection& detection : detections) {
    detection.x1 = to_x(detection.x1);
    detection.y1 = to_y(detection.y1);
    detection.x2 = to_x(detection.x2);
    detection.y2 = to_y(detection.y2);
  }
}

}  // namespace qtool::eval
