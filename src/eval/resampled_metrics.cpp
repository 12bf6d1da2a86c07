#include <algorithm>
#include <limits>

#include "coco_matching.h"
#include "qtool/eval/bootstrap.h"
#include "qtool/eval/segmentation.h"
#include "qtool/support/error.h"

namespace qtool::eval {

namespace {

class ResampledAccuracy final : public ResampledMetric {
 public:
  ResampledAccuracy(const ClassLabels& labels, const EvaluationResult& result) {
    QTOOL_CHECK(labels.images.size() == result.predicted_classes.size());
    for (size_t i = 0; i < labels.images.size(); ++i) {
      hits_.push_back(labels.images[i].class_index == result.predicted_classes[i]);
    }
  }
  [[nodiscard]] double value(std::span<const int32_t> multiplicity) const override {
    int64_t hits = 0, images = 0;
    for (size_t i = 0; i < hits_.size(); ++i) {
      hits += hits_[i] ? multiplicity[i] : 0;
      images += multiplicity[i];
    }
    return images == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(images);
  }

 private:
  std::vector<bool> hits_;
};

// Mean average precision over IoU 0.50:0.95, all areas. Matching happens inside one image, so it is
// done once; a draw only changes how often each verdict counts.
class ResampledMap final : public ResampledMetric {
 public:
  ResampledMap(const DetectionLabels& labels, const EvaluationResult& result,
               std::span<const int64_t> categories) {
    for (const auto& [id, images] : make_cases(labels, result.detections, categories)) {
      CategoryVerdicts found;
      for (size_t image = 0; image < images.size(); ++image) {
        ImageVerdicts verdicts = match(images[image], kAreas[0]);
        found.objects.push_back(verdicts.objects);
        for (const Verdict& verdict : verdicts.detections) found.verdicts.push_back({verdict, image});
      }
      std::stable_sort(found.verdicts.begin(), found.verdicts.end(),
                       [](const auto& a, const auto& b) { return a.verdict.score > b.verdict.score; });
      categories_.push_back(std::move(found));
    }
  }

  [[nodiscard]] double value(std::span<const int32_t> multiplicity) const override {
    double sum = 0;
    int64_t present = 0;
    for (const CategoryVerdicts& category : categories_) {
      int64_t objects = 0;
      for (size_t i = 0; i < category.objects.size(); ++i) objects += category.objects[i] * multiplicity[i];
      if (objects == 0) continue;
      for (size_t t = 0; t < kIouCount; ++t) sum += precision(category, t, objects, multiplicity);
      ++present;
    }
    return present == 0 ? -1.0 : sum / static_cast<double>(present * static_cast<int64_t>(kIouCount));
  }

 private:
  struct PlacedVerdict {
    Verdict verdict;
    size_t image;
  };
  struct CategoryVerdicts {
    std::vector<int64_t> objects;         // by image
    std::vector<PlacedVerdict> verdicts;  // best first
  };

  [[nodiscard]] static double precision(const CategoryVerdicts& category, size_t t, int64_t objects,
                                        std::span<const int32_t> multiplicity) {
    std::vector<double> recall, precision;
    int64_t hits = 0, misses = 0;
    for (const PlacedVerdict& placed : category.verdicts) {
      const int64_t times = multiplicity[placed.image];
      if (times == 0 || placed.verdict.ignored[t]) continue;
      (placed.verdict.matched[t] ? hits : misses) += times;
      recall.push_back(static_cast<double>(hits) / static_cast<double>(objects));
      precision.push_back(static_cast<double>(hits) / static_cast<double>(hits + misses));
    }
    for (size_t i = precision.size(); i > 1; --i) precision[i - 2] = std::max(precision[i - 2], precision[i - 1]);
    double sum = 0;
    size_t at = 0;
    for (const double point : recall_points()) {
      while (at < recall.size() && recall[at] < point) ++at;
      if (at == recall.size()) break;
      sum += precision[at];
    }
    return sum / static_cast<double>(kRecallCount);
  }

  std::vector<CategoryVerdicts> categories_;
};

class ResampledIou final : public ResampledMetric {
 public:
  explicit ResampledIou(const EvaluationResult& result) : images_(result.pixel_counts) {}
  [[nodiscard]] double value(std::span<const int32_t> multiplicity) const override {
    ConfusionMatrix all;
    for (size_t i = 0; i < images_.size(); ++i) all.add(images_[i], multiplicity[i]);
    return all.mean_iou();
  }

 private:
  std::vector<std::vector<PixelCount>> images_;
};

}  // namespace

std::unique_ptr<ResampledMetric> resampled_metric(const Labels& labels, const EvaluationResult& result,
                                                  std::span<const int64_t> categories) {
  if (const auto* classes = std::get_if<ClassLabels>(&labels)) {
    return std::make_unique<ResampledAccuracy>(*classes, result);
  }
  if (const auto* boxes = std::get_if<DetectionLabels>(&labels)) {
    return std::make_unique<ResampledMap>(*boxes, result, categories);
  }
  return std::make_unique<ResampledIou>(result);
}

}  // namespace qtool::eval
