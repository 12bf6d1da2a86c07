#include "yolo_output.h"

namespace qtool::eval {

namespace {

int64_t cells_along(int side, int64_t stride) { return (side + stride - 1) / stride; }

}  // namespace

std::optional<YoloOutput> find_yolo_output(const DetectorSignature& signature) {
  std::optional<YoloOutput> found;
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const Shape& shape = signature.outputs[i].shape;
    if (shape.rank() != 3 || shape[0] != 1) continue;
    if (found) return std::nullopt;
    found = YoloOutput{i, shape[1], shape[2]};
  }
  return found;
}

int64_t classes_beside_objectness(const DetectorSignature& signature) {
  const auto output = find_yolo_output(signature);
  return output && output->columns > 5 ? output->columns - 5 : 0;
}

int64_t yolo_cells(data::Size input) {
  int64_t cells = 0;
  for (const int64_t stride : kYoloStrides) {
    cells += cells_along(input.width, stride) * cells_along(input.height, stride);
  }
  return cells;
}

bool is_final_table(const YoloOutput& output, data::Size input) {
  constexpr int64_t kFinalColumns = 6;  // x1 y1 x2 y2 score class
  return output.columns == kFinalColumns && 2 * output.rows <= yolo_cells(input);
}

int64_t distribution_bins(int64_t columns, int64_t classes) {
  for (const int64_t bins : {8, 16, 17}) {
    if (columns == classes + 4 * bins) return bins;
  }
  return 0;
}

std::vector<GridCell> yolo_grid(data::Size input) {
  std::vector<GridCell> cells;
  cells.reserve(static_cast<size_t>(yolo_cells(input)));
  for (const int64_t stride : kYoloStrides) {
    for (int64_t y = 0; y < cells_along(input.height, stride); ++y) {
      for (int64_t x = 0; x < cells_along(input.width, stride); ++x) {
        cells.push_back({static_cast<float>(x), static_cast<float>(y), static_cast<float>(stride)});
      }
    }
  }
  return cells;
}

}  // namespace qtool::eval
