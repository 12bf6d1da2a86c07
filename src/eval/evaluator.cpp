#include "qtool/eval/evaluator.h"

#include <algorithm>

#include "evaluators.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

double EvaluationResult::metric(std::string_view name) const {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  if (found == metrics.end()) {
    throw Error(ErrorCode::kInternal, format("there is no metric '{}'", name));
  }
  return found->value;
}

EvaluationResult evaluate(const exec::Executor& executor, const ir::Graph& graph,
                          const Labels& labels, const EvaluationOptions& options,
                          Reporter& reporter) {
  if (image_count(labels) == 0) {
    throw Error(ErrorCode::kInvalidData, "there are no labelled images to measure");
  }
  const ImageRunner runner(executor, graph, options);
  const EvaluationJob job{runner, graph, options, reporter};
  EvaluationResult result;
  if (const auto* classes = std::get_if<ClassLabels>(&labels)) {
    result = evaluate_classifier(job, *classes);
  } else if (const auto* boxes = std::get_if<DetectionLabels>(&labels)) {
    result = evaluate_detector(job, *boxes);
  } else {
    result = evaluate_segmenter(job, std::get<SegmentationLabels>(labels));
  }
  result.task = task_of(labels);
  result.images = image_count(labels);
  return result;
}

}  // namespace qtool::eval
