// What the decoders of the YOLO family share: one output [1, rows, columns] over a pyramid of
// grids.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "qtool/eval/decoder.h"

namespace qtool::eval {

// The strides of the usual three-level head, in input pixels.
inline constexpr std::array<int64_t, 3> kYoloStrides{8, 16, 32};

// The only output of rank 3 and batch 1 (training heads of rank 5 may stand beside it).
struct YoloOutput {
  size_t index = 0;
  int64_t rows = 0, columns = 0;
};
[[nodiscard]] std::optional<YoloOutput> find_yolo_output(const DetectorSignature& signature);

// Grid cells of all levels; anchor-free heads predict one box a cell.
[[nodiscard]] int64_t yolo_cells(data::Size input);

// One cell of the pyramid, in units of its stride.
struct GridCell {
  float x = 0, y = 0, stride = 0;
};
// Levels in the order of kYoloStrides, rows first.
[[nodiscard]] std::vector<GridCell> yolo_grid(data::Size input);

// Of an output [1, N, 5 + classes]; 0 when it is not of that form.
[[nodiscard]] int64_t classes_beside_objectness(const DetectorSignature& signature);

// [1, K, 6] with fewer rows than the grid has cells: final detections, because heads before
// selection have a row for every cell or anchor.
[[nodiscard]] bool is_final_table(const YoloOutput& output, data::Size input);

// Values a box side when columns = classes + 4 * that, for the numbers of bins in use; else 0.
[[nodiscard]] int64_t distribution_bins(int64_t columns, int64_t classes);

inline constexpr int64_t kCocoClasses = 80;

// Centre and size -> corners, in the float32 steps of the usual scripts.
[[nodiscard]] inline Box box_from_centre(float cx, float cy, float width, float height) {
  return {cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2};
}

// [1, N, 5 + classes]: boxes from `to_box(index, row)`, scores objectness times class.
template <class ToBox>
Proposals decode_with_objectness(const DecodeRequest& request, const YoloOutput& output,
                                 const ToBox& to_box) {
  const float* row = request.outputs[output.index].data<float>().data();
  const auto confidence = static_cast<float>(request.confidence);
  Proposals proposals;
  proposals.class_count = output.columns - 5;
  for (int64_t i = 0; i < output.rows; ++i, row += output.columns) {
    const float objectness = row[4];
    if (!(objectness > confidence)) continue;  // class scores are at most 1
    proposals.boxes.push_back(to_box(i, row));
    for (int64_t c = 5; c < output.columns; ++c) proposals.scores.push_back(row[c] * objectness);
  }
  return proposals;
}

}  // namespace qtool::eval
