// One for each task; evaluate() chooses.
#pragma once

#include "image_runner.h"
#include "qtool/eval/evaluator.h"

namespace qtool::eval {

struct EvaluationJob {
  const ImageRunner& runner;
  const ir::Graph& graph;
  const EvaluationOptions& options;
  Reporter& reporter;
};

[[nodiscard]] EvaluationResult evaluate_classifier(const EvaluationJob& job,
                                                   const ClassLabels& labels);
[[nodiscard]] EvaluationResult evaluate_detector(const EvaluationJob& job,
                                                 const DetectionLabels& labels);
[[nodiscard]] EvaluationResult evaluate_segmenter(const EvaluationJob& job,
                                                  const SegmentationLabels& labels);

template <class Labelled>
[[nodiscard]] std::vector<const ImageFile*> image_files(const std::vector<Labelled>& images) {
  std::vector<const ImageFile*> files;
  for (const Labelled& labelled : images) files.push_back(&labelled.image);
  return files;
}

}  // namespace qtool::eval
