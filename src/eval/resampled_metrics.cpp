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
// done once; a draw only changes how often each verdict counts. Most detections are wrong at every
// IoU: these are counted once for all ten.
class ResampledMap final : public ResampledMetric {
 public:
  ResampledMap(const DetectionLabels& labels, const EvaluationResult& result,
               std::span<const int64_t> categories) {
    for (const auto& [id, images] : make_cases(labels, result.detections, categories)) {
      categories_.push_back(verdicts_of(images));
    }
  }

  [[nodiscard]] double value(std::span<const int32_t> multiplicity) const override {
    double sum = 0;
    int64_t present = 0;
    for (const CategoryVerdicts& category : categories_) {
      int64_t objects = 0;
      for (size_t i = 0; i < category.objects.size(); ++i) objects += category.objects[i] * multiplicity[i];
      if (objects == 0) continue;
      sum += precisions(category, objects, multiplicity);
      ++present;
    }
    return present == 0 ? -1.0 : sum / static_cast<double>(present * static_cast<int64_t>(kIouCount));
  }

 private:
  struct PlacedVerdict {
    uint32_t image;
    uint16_t matched, ignored;  // bit t: at IoU threshold t
  };
  struct CategoryVerdicts {
    std::vector<int64_t> objects;         // by image
    std::vector<PlacedVerdict> verdicts;  // best first
  };
  // A point of the precision-recall curve. Recall grows at hits only and precision falls between
  // them, so that hits are all the points the envelope needs.
  struct HitPoint {
    double recall, precision;
  };

  static uint16_t bits_of(const std::array<bool, kIouCount>& flags) {
    unsigned bits = 0;
    for (size_t t = 0; t < kIouCount; ++t) bits |= static_cast<unsigned>(flags[t]) << t;
    return static_cast<uint16_t>(bits);
  }

  static CategoryVerdicts verdicts_of(const std::vector<ImageCase>& images) {
    CategoryVerdicts found;
    std::vector<std::pair<double, PlacedVerdict>> scored;
    for (size_t image = 0; image < images.size(); ++image) {
      const ImageVerdicts verdicts = match(images[image], kAreas[0]);
      found.objects.push_back(verdicts.objects);
      for (const Verdict& v : verdicts.detections) {
        scored.push_back({v.score, {static_cast<uint32_t>(image), bits_of(v.matched), bits_of(v.ignored)}});
      }
    }
    std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [score, verdict] : scored) found.verdicts.push_back(verdict);
    return found;
  }

  // Sum of the average precisions at all thresholds.
  [[nodiscard]] static double precisions(const CategoryVerdicts& category, int64_t objects,
                                         std::span<const int32_t> multiplicity) {
    std::array<std::vector<HitPoint>, kIouCount> curves;
    std::array<int64_t, kIouCount> hits{}, spared{};  // spared: neither hit nor miss, or a hit
    int64_t seen = 0;
    for (const PlacedVerdict& verdict : category.verdicts) {
      const int64_t times = multiplicity[verdict.image];
      seen += times;
      const unsigned marked = verdict.matched | verdict.ignored;
      if (marked == 0 || times == 0) continue;
      for (size_t t = 0; t < kIouCount; ++t) {
        if ((marked >> t & 1u) == 0) continue;
        spared[t] += times;
        if ((verdict.ignored >> t & 1u) != 0) continue;
        hits[t] += times;
        const int64_t misses = seen - spared[t];
        curves[t].push_back({static_cast<double>(hits[t]) / static_cast<double>(objects),
                             static_cast<double>(hits[t]) / static_cast<double>(hits[t] + misses)});
      }
    }
    double sum = 0;
    for (std::vector<HitPoint>& curve : curves) sum += average_precision(curve);
    return sum;
  }

  [[nodiscard]] static double average_precision(std::vector<HitPoint>& curve) {
    for (size_t i = curve.size(); i > 1; --i) curve[i - 2].precision = std::max(curve[i - 2].precision, curve[i - 1].precision);
    double sum = 0;
    size_t at = 0;
    for (const double point : recall_points()) {
      while (at < curve.size() && curve[at].recall < point) ++at;
      if (at == curve.size()) break;
      sum += curve[at].precision;
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
