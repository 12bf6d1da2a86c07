// YOLOv8, YOLO11 and their kin without the last Concat: [1, 4, N] with cx, cy, w, h in input pixels, and [1, classes, N] with
// scores 0..1, in any order. What `--split-output` makes of them, and what many vendors ask for.
#include "../yolo_output.h"
#include "qtool/eval/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::eval {

namespace {

constexpr int64_t kBoxRows = 4;

struct Parts {
  size_t boxes, scores;
  int64_t classes, columns;
};

std::optional<Parts> find_parts(const DetectorSignature& signature) {
  if (signature.outputs.size() != 2) return std::nullopt;
  for (const size_t boxes : {size_t{0}, size_t{1}}) {
    const Shape &b = signature.outputs[boxes].shape, &s = signature.outputs[1 - boxes].shape;
    if (b.rank() != 3 || s.rank() != 3 || b[0] != 1 || s[0] != 1 || b[1] != kBoxRows || b[2] != s[2]) continue;
    if (s[1] < s[2] && b[2] == yolo_cells(signature.input)) return Parts{boxes, 1 - boxes, s[1], s[2]};
  }
  return std::nullopt;
}

int64_t class_count(const DetectorSignature& signature) {
  const auto parts = find_parts(signature);
  return parts ? parts->classes : 0;
}

bool matches(const DetectorSignature& signature) { return find_parts(signature).has_value(); }

Proposals decode(const DecodeRequest& request) {
  const Parts parts = *find_parts(request.signature);
  const float* boxes = request.outputs[parts.boxes].data<float>().data();
  Proposals proposals;
  proposals.class_count = parts.classes;
  proposals.boxes.reserve(static_cast<size_t>(parts.columns));
  for (int64_t i = 0; i < parts.columns; ++i) {
    const auto field = [&](int64_t row) { return boxes[row * parts.columns + i]; };
    proposals.boxes.push_back(box_from_centre(field(0), field(1), field(2), field(3)));
  }
  proposals.scores.resize(static_cast<size_t>(parts.columns * parts.classes));
  simd::kernels().transpose(request.outputs[parts.scores].data<float>().data(), parts.columns, proposals.scores.data(), parts.classes,
                            parts.classes, parts.columns);
  return proposals;
}

}  // namespace

void register_yolov8_split(Registry& registry) {
  registry.add({.name = "yolov8-split",
                .summary = "[1, 4, N] cx cy w h in pixels and [1, classes, N] scores",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
