#include <algorithm>

#include "category_map.h"
#include "evaluators.h"
#include "qtool/eval/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

DetectorSignature signature_of(const EvaluationJob& job, const DetectionLabels& labels) {
  DetectorSignature signature;
  for (const ir::ValueId id : job.graph.outputs) {
    signature.outputs.push_back({job.graph.value(id).name, job.graph.type_of(id).shape});
  }
  signature.input = job.runner.input_size();
  const auto& listed = job.options.categories;
  signature.category_count =
      static_cast<int64_t>(listed.empty() ? labels.categories.size() : listed.size()) +
      job.options.class_offset;
  return signature;
}

class DetectorEvaluation {
 public:
  DetectorEvaluation(const EvaluationJob& job, const DetectionLabels& labels)
      : job_(job),
        labels_(labels),
        signature_(signature_of(job, labels)),
        decoder_(builtin_registry().choose(job.options.decoder, signature_)),
        categories_(decoder_.class_count(signature_), job.options.class_offset, labels.categories,
                    job.options.categories),
        thresholds_(job.options.thresholds),
        found_(labels.images.size()) {
    thresholds_.first_class = std::max(thresholds_.first_class, job.options.class_offset);
  }

  EvaluationResult run() {
    job_.runner.run(
        image_files(labels_.images),
        [&](int64_t index, int, const ImageOutputs& outputs) { detect(index, outputs); },
        job_.reporter);
    EvaluationResult result;
    result.decoder = decoder_.name;
    result.detections = collect();
    const CocoSummary summary = coco_map(labels_, result.detections, job_.options.categories);
    result.metrics = {{"mAP", summary.ap()}, {"mAP50", summary.ap50()}, {"mAP75", summary.ap75()}};
    for (size_t i = 3; i < summary.stats.size(); ++i) {
      result.metrics.push_back({std::string(coco_stat_name(i)), summary.stats[i]});
    }
    result.categories = summary.categories;
    return result;
  }

 private:
  void detect(int64_t index, const ImageOutputs& outputs) {
    const Proposals proposals =
        decoder_.decode({outputs.tensors, signature_, thresholds_.confidence});
    std::vector<Detection> detections = select_detections(proposals, thresholds_);
    map_to_original(detections, outputs.geometry);
    found_[static_cast<size_t>(index)] = std::move(detections);
  }

  [[nodiscard]] std::vector<CocoDetection> collect() const {
    std::vector<CocoDetection> all;
    for (size_t i = 0; i < found_.size(); ++i) {
      for (const Detection& d : found_[i]) {
        const int64_t category_id = categories_.id_of(d.class_index);
        if (category_id < 0) continue;
        all.push_back(
            {labels_.images[i].id, category_id, d.x1, d.y1, d.x2 - d.x1, d.y2 - d.y1, d.score});
      }
    }
    return all;
  }

  const EvaluationJob& job_;
  const DetectionLabels& labels_;
  DetectorSignature signature_;
  const DetectionDecoder& decoder_;
  CategoryMap categories_;
  DetectionThresholds thresholds_;
  std::vector<std::vector<Detection>> found_;  // by image
};

}  // namespace

EvaluationResult evaluate_detector(const EvaluationJob& job, const DetectionLabels& labels) {
  return DetectorEvaluation(job, labels).run();
}

}  // namespace qtool::eval
