// YOLOv8, YOLO11 and their kin: [1, 4 + classes, N] with cx, cy, w, h in input pixels and class
// scores 0..1, no objectness. [1, N, 4 + classes] is read too, but has the form of YOLOX: it is
// recognised only when the number of classes tells.

#include <algorithm>

#include "../yolo_output.h"
#include "qtool/eval/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::eval {

namespace {

constexpr int64_t kCocoColumns = 4 + 80;

bool channels_first(const YoloOutput& output) { return output.rows < output.columns; }

int64_t width_of(const YoloOutput& output) {
  return channels_first(output) ? output.rows : output.columns;
}

int64_t class_count(const DetectorSignature& signature) {
  const auto output = find_yolo_output(signature);
  return output ? std::max<int64_t>(width_of(*output) - 4, 0) : 0;
}

bool matches(const DetectorSignature& signature) {
  if (class_count(signature) == 0) return false;
  const YoloOutput output = *find_yolo_output(signature);
  if (channels_first(output)) return true;
  const int64_t expected = signature.category_count ? 4 + *signature.category_count : kCocoColumns;
  return output.columns == expected && !is_final_table(output, signature.input);
}

Proposals decode(const DecodeRequest& request) {
  const YoloOutput output = *find_yolo_output(request.signature);
  const float* values = request.outputs[output.index].data<float>().data();
  const bool first = channels_first(output);
  const int64_t boxes = first ? output.columns : output.rows;
  const int64_t box_step = first ? 1 : output.columns, field_step = first ? output.columns : 1;
  const auto field = [&](int64_t box, int64_t k) {
    return values[box * box_step + k * field_step];
  };

  Proposals proposals;
  proposals.class_count = width_of(output) - 4;
  proposals.boxes.reserve(static_cast<size_t>(boxes));
  for (int64_t i = 0; i < boxes; ++i) {
    proposals.boxes.push_back(box_from_centre(field(i, 0), field(i, 1), field(i, 2), field(i, 3)));
  }
  proposals.scores.resize(static_cast<size_t>(boxes * proposals.class_count));
  if (first) {
    simd::kernels().transpose(values + 4 * field_step, field_step, proposals.scores.data(), proposals.class_count,
                              proposals.class_count, boxes);
    return proposals;
  }
  for (int64_t i = 0; i < boxes; ++i) {
    std::copy_n(values + i * box_step + 4, proposals.class_count, proposals.scores.data() + i * proposals.class_count);
  }
  return proposals;
}

}  // namespace

void register_yolov8(Registry& registry) {
  registry.add({.name = "yolov8",
                .summary = "[1, 4+classes, N]: cx cy w h in pixels, class scores",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
