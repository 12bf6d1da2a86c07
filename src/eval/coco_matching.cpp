#include "coco_matching.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

// numpy.linspace: start + i * step, the end exact.
template <size_t N>
std::array<double, N> linspace(double start, double stop) {
  std::array<double, N> values{};
  const double step = (stop - start) / static_cast<double>(N - 1);
  for (size_t i = 0; i < N; ++i) values[i] = start + static_cast<double>(i) * step;
  values[N - 1] = stop;
  return values;
}

double area_of(const CocoDetection& box) { return box.width * box.height; }

// A crowd region counts the detection's own area as the union.
double overlap_of(const CocoDetection& d, const TruthBox& g) {
  const double width = std::min(d.x + d.width, g.x + g.width) - std::max(d.x, g.x);
  const double height = std::min(d.y + d.height, g.y + g.height) - std::max(d.y, g.y);
  if (width <= 0 || height <= 0) return 0;
  const double both = width * height;
  const double either = g.crowd ? area_of(d) : area_of(d) + g.width * g.height - both;
  return both / either;
}

void finish_case(ImageCase& image) {
  std::stable_sort(image.detections.begin(), image.detections.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  if (image.detections.size() > kMostDetections) {
    image.detections.resize(kMostDetections);
  }
  for (const CocoDetection* detection : image.detections) {
    for (const TruthBox* object : image.truth) {
      image.overlap.push_back(overlap_of(*detection, *object));
    }
  }
}

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }

class Matcher {
 public:
  Matcher(const ImageCase& image, const AreaRange& range) : image_(image), range_(range) {
    for (const TruthBox* object : image.truth) {
      object_ignored_.push_back(object->crowd || outside(object->area, range));
    }
    // Objects that count come first, so that a detection prefers them.
    order_.resize(image.truth.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_partition(order_.begin(), order_.end(),
                          [&](size_t object) { return !object_ignored_[object]; });
  }

  [[nodiscard]] int64_t counted_objects() const {
    return std::count(object_ignored_.begin(), object_ignored_.end(), false);
  }

  void judge(std::vector<Verdict>& verdicts) const {
    const size_t first = verdicts.size();
    for (size_t d = 0; d < image_.detections.size(); ++d) {
      verdicts.push_back({image_.detections[d]->score, d, {}, {}});
    }
    for (size_t t = 0; t < kIouCount; ++t) {
      std::vector<bool> taken(image_.truth.size(), false);
      for (size_t d = 0; d < image_.detections.size(); ++d) {
        Verdict& verdict = verdicts[first + d];
        const size_t object = best_object(d, iou_thresholds()[t], taken);
        if (object == kNone) {
          verdict.ignored[t] = outside(area_of(*image_.detections[d]), range_);
          continue;
        }
        taken[object] = true;
        verdict.matched[t] = true;
        verdict.ignored[t] = object_ignored_[object];
      }
    }
  }

 private:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  [[nodiscard]] size_t best_object(size_t detection, double threshold,
                                   const std::vector<bool>& taken) const {
    double best_iou = std::min(threshold, 1 - 1e-10);
    size_t best = kNone;
    for (const size_t object : order_) {
      if (taken[object] && !image_.truth[object]->crowd) continue;
      // A match that counts is not given up for one that does not.
      if (best != kNone && !object_ignored_[best] && object_ignored_[object]) break;
      const double iou = image_.iou(detection, object);
      if (iou < best_iou) continue;
      best_iou = iou;
      best = object;
    }
    return best;
  }

  const ImageCase& image_;
  const AreaRange& range_;
  std::vector<bool> object_ignored_;
  std::vector<size_t> order_;
};

std::vector<int64_t> measured_categories(const DetectionLabels& truth,
                                         std::span<const int64_t> wanted) {
  std::vector<int64_t> ids(wanted.begin(), wanted.end());
  if (ids.empty()) {
    for (const Category& category : truth.categories) ids.push_back(category.id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

const std::array<double, kIouCount>& iou_thresholds() {
  static const auto values = linspace<kIouCount>(0.5, 0.95);
  return values;
}

const std::array<double, kRecallCount>& recall_points() {
  static const auto values = linspace<kRecallCount>(0.0, 1.0);
  return values;
}

ImageVerdicts match(const ImageCase& image, const AreaRange& range) {
  const Matcher matcher(image, range);
  ImageVerdicts verdicts{matcher.counted_objects(), {}};
  matcher.judge(verdicts.detections);
  return verdicts;
}

std::map<int64_t, std::vector<ImageCase>> make_cases(const DetectionLabels& truth,
                                                     std::span<const CocoDetection> detections,
                                                     std::span<const int64_t> wanted) {
  std::map<int64_t, size_t> position;
  for (const LabelledImage& image : truth.images) position.emplace(image.id, 0);
  size_t next = 0;
  for (auto& [id, index] : position) index = next++;

  std::map<int64_t, std::vector<ImageCase>> cases;
  for (const int64_t id : measured_categories(truth, wanted)) cases[id].resize(position.size());
  for (const LabelledImage& image : truth.images) {
    for (const TruthBox& box : image.boxes) {
      const auto found = cases.find(box.category_id);
      if (found != cases.end()) found->second[position.at(image.id)].truth.push_back(&box);
    }
  }
  for (const CocoDetection& detection : detections) {
    const auto at = position.find(detection.image_id);
    if (at == position.end()) {
      throw Error(
          ErrorCode::kInvalidData,
          format("a detection belongs to image {}, which has no labels", detection.image_id));
    }
    const auto found = cases.find(detection.category_id);
    if (found != cases.end()) found->second[at->second].detections.push_back(&detection);
  }
  for (auto& [category_id, images] : cases) {
    for (ImageCase& image : images) finish_case(image);
  }
  return cases;
}


}  // namespace qtool::eval
