#include "qtool/eval/coco_map.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

constexpr size_t kIouCount = 10;
constexpr size_t kRecallCount = 101;
constexpr std::array<size_t, 3> kMaxDetections{1, 10, 100};

struct AreaRange {
  double low, high;  // square pixels, both inclusive
};
constexpr std::array<AreaRange, 4> kAreas{
    {{0, 1e10}, {0, 32.0 * 32.0}, {32.0 * 32.0, 96.0 * 96.0}, {96.0 * 96.0, 1e10}}};

// numpy.linspace: start + i * step, the end exact.
template <size_t N>
std::array<double, N> linspace(double start, double stop) {
  std::array<double, N> values{};
  const double step = (stop - start) / static_cast<double>(N - 1);
  for (size_t i = 0; i < N; ++i) values[i] = start + static_cast<double>(i) * step;
  values[N - 1] = stop;
  return values;
}

const std::array<double, kIouCount>& iou_thresholds() {
  static const auto values = linspace<kIouCount>(0.5, 0.95);
  return values;
}

const std::array<double, kRecallCount>& recall_points() {
  static const auto values = linspace<kRecallCount>(0.0, 1.0);
  return values;
}

// Objects and detections of one category in one image; detections best first, at most 100.
struct ImageCase {
  std::vector<const TruthBox*> truth;
  std::vector<const CocoDetection*> detections;
  std::vector<double> overlap;  // [detections, truth]

  [[nodiscard]] double iou(size_t detection, size_t object) const {
    return overlap[detection * truth.size() + object];
  }
};

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
  if (image.detections.size() > kMaxDetections.back()) {
    image.detections.resize(kMaxDetections.back());
  }
  for (const CocoDetection* detection : image.detections) {
    for (const TruthBox* object : image.truth) {
      image.overlap.push_back(overlap_of(*detection, *object));
    }
  }
}

// What became of one detection at each IoU threshold.
struct Verdict {
  double score = 0;
  size_t rank = 0;  // in its image, 0 the best
  std::array<bool, kIouCount> matched{};
  std::array<bool, kIouCount> ignored{};
};

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }

// Greedy matching of one image, best detection first (COCOeval.evaluateImg).
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

struct Curve {
  double mean_precision = 0;  // over the recall points
  double final_recall = 0;
};

// Precision at the recall points (COCOeval.accumulate). `verdicts` best first.
Curve curve_of(const std::vector<const Verdict*>& verdicts, size_t t, int64_t objects) {
  std::vector<double> recall, precision;
  int64_t hits = 0, misses = 0;
  for (const Verdict* verdict : verdicts) {
    if (!verdict->ignored[t]) (verdict->matched[t] ? hits : misses)++;
    const auto found = static_cast<double>(hits);
    recall.push_back(found / static_cast<double>(objects));
    precision.push_back(
        found / (static_cast<double>(misses) + found + std::numeric_limits<double>::epsilon()));
  }
  for (size_t i = precision.size(); i > 1; --i) {
    precision[i - 2] = std::max(precision[i - 2], precision[i - 1]);
  }
  Curve curve;
  for (const double point : recall_points()) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), point);
    if (at == recall.end()) break;
    curve.mean_precision += precision[static_cast<size_t>(at - recall.begin())];
  }
  curve.mean_precision /= static_cast<double>(kRecallCount);
  curve.final_recall = recall.empty() ? 0 : recall.back();
  return curve;
}

using Curves = std::array<Curve, kIouCount>;

// Curves of one category, area and detection limit; nullopt without objects that count.
class CategoryEvaluation {
 public:
  CategoryEvaluation(const std::vector<ImageCase>& images, const AreaRange& range) {
    for (const ImageCase& image : images) {
      const Matcher matcher(image, range);
      objects_ += matcher.counted_objects();
      matcher.judge(verdicts_);
    }
  }

  [[nodiscard]] bool has_objects() const { return objects_ > 0; }

  [[nodiscard]] Curves curves(size_t max_detections) const {
    std::vector<const Verdict*> chosen;
    for (const Verdict& verdict : verdicts_) {
      if (verdict.rank < max_detections) chosen.push_back(&verdict);
    }
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto* a, const auto* b) { return a->score > b->score; });
    Curves curves;
    for (size_t t = 0; t < kIouCount; ++t) curves[t] = curve_of(chosen, t, objects_);
    return curves;
  }

 private:
  int64_t objects_ = 0;
  std::vector<Verdict> verdicts_;  // by image, then rank
};

class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  [[nodiscard]] double value() const {
    return count_ == 0 ? -1 : sum_ / static_cast<double>(count_);
  }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

double mean_precision(const Curves& curves) {
  Mean mean;
  for (const Curve& curve : curves) mean.add(curve.mean_precision);
  return mean.value();
}

double mean_recall(const Curves& curves) {
  Mean mean;
  for (const Curve& curve : curves) mean.add(curve.final_recall);
  return mean.value();
}

constexpr size_t kIou50 = 0, kIou75 = 5;                     // positions among the thresholds
constexpr size_t kApAreas = 3, kArLimits = 6, kArAreas = 9;  // positions among the twelve numbers

class Summary {
 public:
  void add(int64_t category_id, const std::vector<ImageCase>& images) {
    CategoryPrecision precision{category_id};
    for (size_t area = 0; area < kAreas.size(); ++area) {
      const CategoryEvaluation evaluation(images, kAreas[area]);
      if (!evaluation.has_objects()) continue;
      const Curves curves = evaluation.curves(kMaxDetections.back());
      if (area > 0) {
        means_[kApAreas + area - 1].add(mean_precision(curves));
        means_[kArAreas + area - 1].add(mean_recall(curves));
        continue;
      }
      precision.ap = mean_precision(curves);
      precision.ap50 = curves[kIou50].mean_precision;
      means_[0].add(precision.ap);
      means_[1].add(precision.ap50);
      means_[2].add(curves[kIou75].mean_precision);
      for (size_t m = 0; m < kMaxDetections.size(); ++m) {
        means_[kArLimits + m].add(mean_recall(evaluation.curves(kMaxDetections[m])));
      }
    }
    summary_.categories.push_back(precision);
  }

  CocoSummary finish() {
    for (size_t i = 0; i < means_.size(); ++i) summary_.stats[i] = means_[i].value();
    return std::move(summary_);
  }

 private:
  std::array<Mean, 12> means_;
  CocoSummary summary_;
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

// Cases of every measured category, by image in ascending order of ids.
using CasesByCategory = std::map<int64_t, std::vector<ImageCase>>;

CasesByCategory make_cases(const DetectionLabels& truth, std::span<const CocoDetection> detections,
                           const std::vector<int64_t>& categories) {
  std::map<int64_t, size_t> position;
  for (const LabelledImage& image : truth.images) position.emplace(image.id, 0);
  size_t next = 0;
  for (auto& [id, index] : position) index = next++;

  CasesByCategory cases;
  for (const int64_t id : categories) cases[id].resize(position.size());
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
  return cases;
}

}  // namespace

std::string_view coco_stat_name(size_t index) {
  static constexpr std::array<std::string_view, 12> kNames{
      "AP",   "AP50",  "AP75",   "AP_small", "AP_medium", "AP_large",
      "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"};
  QTOOL_CHECK(index < kNames.size());
  return kNames[index];
}

CocoSummary coco_map(const DetectionLabels& truth, std::span<const CocoDetection> detections,
                     std::span<const int64_t> categories) {
  CasesByCategory cases = make_cases(truth, detections, measured_categories(truth, categories));
  Summary summary;
  for (auto& [category_id, images] : cases) {
    for (ImageCase& image : images) finish_case(image);
    summary.add(category_id, images);
  }
  return summary.finish();
}

}  // namespace qtool::eval
