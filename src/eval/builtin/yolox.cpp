// YOLOX without decoding in the graph: [1, N, 5 + classes], one row a grid cell of the strides 8,
// 16 and 32. FORMULA  centre = (xy + cell) * stride, size = exp(wh) * stride, score = objectness *
// class score SOURCE   Ge et al. 2021, "YOLOX", and demo_postprocess of its repository
#include <cmath>

#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

constexpr int64_t kYolov8CocoColumns = 4 + 80;

int64_t class_count(const DetectorSignature& signature) {
  const int64_t classes = classes_beside_objectness(signature);
  if (classes == 0) return 0;
  return find_yolo_output(signature)->rows == yolo_cells(signature.input) ? classes : 0;
}

bool matches(const DetectorSignature& signature) {
  if (class_count(signature) == 0) return false;
  const YoloOutput output = *find_yolo_output(signature);
  if (output.rows <= output.columns) return false;
  const int64_t without_objectness =
      signature.category_count ? 4 + *signature.category_count : kYolov8CocoColumns;
  return output.columns != without_objectness &&
         distribution_bins(output.columns, signature.category_count.value_or(kCocoClasses)) == 0;
}

Proposals decode(const DecodeRequest& request) {
  const std::vector<GridCell> grid = yolo_grid(request.signature.input);
  return decode_with_objectness(
      request, *find_yolo_output(request.signature), [&](int64_t i, const float* row) {
        const GridCell& cell = grid[static_cast<size_t>(i)];
        return box_from_centre((row[0] + cell.x) * cell.stride, (row[1] + cell.y) * cell.stride,
                               std::exp(row[2]) * cell.stride, std::exp(row[3]) * cell.stride);
      });
}

}  // namespace

void register_yolox(Registry& registry) {
  registry.add({.name = "yolox",
                .summary = "[1, N, 5+classes] raw: offsets in grid cells, objectness, class scores",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
