#include <algorithm>

#include "evaluators.h"
#include "qtool/eval/classification.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

constexpr size_t kBest = 5;

// Auxiliary heads come after the main one, so the first output counts.
int64_t class_count(const ir::Graph& graph) {
  const ir::Value& output = graph.value(graph.outputs.at(0));
  const Shape& shape = graph.type_of(output.id).shape;
  const int64_t count = shape.element_count();
  const bool one_vector =
      shape.rank() >= 1 && *std::max_element(shape.begin(), shape.end()) == count;
  if (!one_vector || count < 2) {
    throw Error(ErrorCode::kUnsupported,
                format("class labels need an output of one score a class; '{}' has shape {}",
                       output.name, shape.text()));
  }
  return count;
}

void check_labels(const ClassLabels& labels, int64_t classes, int64_t class_offset) {
  for (const ClassifiedImage& image : labels.images) {
    if (image.class_index + class_offset < classes) continue;
    throw Error(ErrorCode::kInvalidData,
                format("'{}' has class {}, the model's classes end at {}; check that labels and "
                       "model belong together",
                       image.image.name, image.class_index, classes - class_offset - 1));
  }
}

}  // namespace

EvaluationResult evaluate_classifier(const EvaluationJob& job, const ClassLabels& labels) {
  const int64_t offset = job.options.class_offset;
  check_labels(labels, class_count(job.graph), offset);
  std::vector<std::vector<int64_t>> best(labels.images.size());
  job.runner.run(
      image_files(labels.images),
      [&](int64_t index, int, const ImageOutputs& outputs) {
        best[static_cast<size_t>(index)] = best_classes(outputs.tensors[0].data<float>(), kBest);
      },
      job.reporter);

  EvaluationResult result;
  Accuracy accuracy;
  for (size_t i = 0; i < best.size(); ++i) {
    for (int64_t& klass : best[i]) klass -= offset;
    accuracy.add(best[i], labels.images[i].class_index);
    result.predicted_classes.push_back(best[i][0]);
  }
  result.metrics = {{"top1", accuracy.top1()}, {"top5", accuracy.top5()}};
  return result;
}

}  // namespace qtool::eval
