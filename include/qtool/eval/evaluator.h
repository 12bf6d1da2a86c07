// Measures a model on labelled images.
//
// Images run in parallel, one session a worker; the result does not depend on the thread count.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qtool/data/picture_cache.h"
#include "qtool/data/preprocess.h"
#include "qtool/eval/coco_map.h"
#include "qtool/eval/labels.h"
#include "qtool/eval/nms.h"
#include "qtool/eval/segmentation.h"
#include "qtool/exec/executor.h"
#include "qtool/ir/graph.h"
#include "qtool/support/reporter.h"

namespace qtool::eval {

struct EvaluationOptions {
  data::Preprocessing preprocessing;
  // For several models on the same images: a cache with this preprocessing. Null: every file is decoded.
  std::shared_ptr<const data::PictureCache> pictures;
  int threads = 0;  // 0: all
  // Subtracted from the model's class index: 1 when its class 0 is a background that the labels do
  // not count.
  int64_t class_offset = 0;

  // Sees the raw outputs of every image, float32 in graph order; called from several threads.
  std::function<void(int64_t index, const std::vector<Tensor>& outputs)> on_outputs;

  // Detection only.
  std::string decoder;  // name, or "" to recognise it
  DetectionThresholds thresholds;
  // Category id of each class; empty: the categories of the labels in ascending order. When given,
  // only these are measured.
  std::vector<int64_t> categories;
};

struct Metric {
  std::string name;  // "top1", "top5"; "mAP", "mAP50", "mAP75", "AP_small" ...; "mIoU",
                     // "pixel_accuracy"
  double value = 0;  // 0..1; -1: nothing to measure
};

struct EvaluationResult {
  Task task = Task::kAuto;
  int64_t images = 0;
  std::vector<Metric> metrics;  // the headline first

  std::vector<int64_t> predicted_classes;     // classification: top-1 of each image, in label order
  std::vector<CocoDetection> detections;      // detection: by image id, best first
  std::vector<CategoryPrecision> categories;  // detection
  std::string decoder;                        // detection: the one that was used
  std::vector<double> class_iou;              // segmentation; -1: class does not occur
  std::vector<std::vector<PixelCount>> pixel_counts;  // segmentation: of each image, in label order

  // Throws Error(kInternal) for an unknown name.
  [[nodiscard]] double metric(std::string_view name) const;
  [[nodiscard]] const Metric& headline() const { return metrics.front(); }
};

// `graph` is the one the executor was made from; it must take one float32 image input, batch 1.
// Throws Error(kUnsupported) when the outputs do not go with the task, Error(kInvalidData / kIo)
// naming the image.
[[nodiscard]] EvaluationResult evaluate(const exec::Executor& executor, const ir::Graph& graph,
                                        const Labels& labels, const EvaluationOptions& options,
                                        Reporter& reporter);

}  // namespace qtool::eval
