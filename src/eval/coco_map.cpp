#include "qtool/eval/coco_map.h"

#include <algorithm>
#include <limits>

#include "coco_matching.h"
#include "qtool/support/error.h"

namespace qtool::eval {

namespace {

constexpr std::array<size_t, 3> kMaxDetections{1, 10, kMostDetections};

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
      ImageVerdicts found = match(image, range);
      objects_ += found.objects;
      verdicts_.insert(verdicts_.end(), found.detections.begin(), found.detections.end());
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
  Summary summary;
  for (const auto& [category_id, images] : make_cases(truth, detections, categories)) {
    summary.add(category_id, images);
  }
  return summary.finish();
}

}  // namespace qtool::eval
