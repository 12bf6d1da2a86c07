// Detectors that end with their own selection (YOLOv10, YOLO26, graphs with NMS inside): final
// boxes, each with one score and one class. Two forms:
//   [1, K, 6]                                     x1 y1 x2 y2 score class
//   [1, 1] count, [1, K, 4] boxes, [1, K] scores, [1, K] classes   (names decide which is which)
#include <algorithm>
#include <optional>

#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

constexpr int64_t kColumns = 6;

struct FinalOutputs {
  std::optional<size_t> count;
  size_t boxes = 0, scores = 0, classes = 0;
};

std::optional<YoloOutput> final_table(const DetectorSignature& signature) {
  const auto output = find_yolo_output(signature);
  return output && is_final_table(*output, signature.input) ? output : std::nullopt;
}

bool named(const DetectorOutput& output, std::string_view part) {
  return output.name.find(part) != std::string::npos;
}

std::optional<FinalOutputs> final_lists(const DetectorSignature& signature) {
  FinalOutputs found;
  std::optional<size_t> boxes, scores, classes;
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const DetectorOutput& output = signature.outputs[i];
    const Shape& shape = output.shape;
    if (shape.element_count() == 1) found.count = i;
    else if (shape.rank() == 3 && shape[2] == 4) boxes = i;
    else if (shape.rank() == 2 && (named(output, "class") || named(output, "label"))) classes = i;
    else if (shape.rank() == 2 && named(output, "score")) scores = i;
    else return std::nullopt;
  }
  if (!boxes || !scores || !classes) return std::nullopt;
  const int64_t rows = signature.outputs[*boxes].shape[1];
  for (const size_t i : {*scores, *classes}) {
    if (signature.outputs[i].shape[1] != rows) return std::nullopt;
  }
  found.boxes = *boxes, found.scores = *scores, found.classes = *classes;
  return found;
}

bool matches(const DetectorSignature& signature) {
  return final_table(signature).has_value() || final_lists(signature).has_value();
}

// The shapes do not tell how many classes there are.
int64_t class_count(const DetectorSignature& signature) {
  return matches(signature) ? signature.category_count.value_or(kCocoClasses) : 0;
}

void add(Proposals& proposals, const Box& box, float score, float klass) {
  proposals.boxes.push_back(box);
  proposals.scores.push_back(score);
  proposals.final_classes.push_back(static_cast<int64_t>(klass));
}

Proposals decode(const DecodeRequest& request) {
  Proposals proposals;
  proposals.class_count = class_count(request.signature);
  proposals.is_final = true;
  if (const auto table = final_table(request.signature)) {
    const float* row = request.outputs[table->index].data<float>().data();
    for (int64_t i = 0; i < table->rows; ++i, row += kColumns) add(proposals, {row[0], row[1], row[2], row[3]}, row[4], row[5]);
    return proposals;
  }
  const FinalOutputs lists = *final_lists(request.signature);
  const auto boxes = request.outputs[lists.boxes].data<float>();
  const auto scores = request.outputs[lists.scores].data<float>();
  const auto classes = request.outputs[lists.classes].data<float>();
  size_t rows = scores.size();
  if (lists.count) {
    const float count = request.outputs[*lists.count].data<float>()[0];
    rows = std::min(rows, static_cast<size_t>(std::max(count, 0.0f)));
  }
  for (size_t i = 0; i < rows; ++i) {
    add(proposals, {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]}, scores[i], classes[i]);
  }
  return proposals;
}

}  // namespace

void register_end_to_end(Registry& registry) {
  registry.add({.name = "end-to-end",
                .summary = "selection inside the graph: [1, K, 6] as x1 y1 x2 y2 score class, or count, boxes, scores, classes",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
