// YOLOv5, YOLOv7 and decoded YOLOX: [1, N, 5 + classes] with cx, cy, w, h in input pixels,
// objectness and class scores 0..1; a score is objectness times class score. Three anchors a cell
// tell it from raw YOLOX.

#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

bool matches(const DetectorSignature& signature) {
  if (classes_beside_objectness(signature) == 0) return false;
  const YoloOutput output = *find_yolo_output(signature);
  const auto& categories = signature.category_count;
  const bool lacks_objectness = categories && output.columns == 4 + *categories;
  return output.rows > output.columns && output.rows != yolo_cells(signature.input) &&
         !lacks_objectness && !is_final_table(output, signature.input) &&
         distribution_bins(output.columns, categories.value_or(kCocoClasses)) == 0;
}

Proposals decode(const DecodeRequest& request) {
  return decode_with_objectness(
      request, *find_yolo_output(request.signature),
      [](int64_t, const float* row) { return box_from_centre(row[0], row[1], row[2], row[3]); });
}

}  // namespace

void register_yolov5(Registry& registry) {
  registry.add({.name = "yolov5",
                .summary = "[1, N, 5+classes]: cx cy w h in pixels, objectness, class scores",
                .class_count = classes_beside_objectness,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
