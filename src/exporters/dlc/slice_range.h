// The `ranges` parameter of StridedSlice.
#pragma once

#include <cstdint>
#include <vector>

#include "dlc/graph_writer.h"
#include "qtool/tensor/shape.h"

namespace qtool::exporters::dlc {

// Of one ONNX axis. With a negative step, end -1 means "before the first element".
struct SliceRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
};

[[nodiscard]] inline std::vector<SliceRange> whole_ranges(const Shape& shape) {
  std::vector<SliceRange> ranges;
  for (const int64_t extent : shape) ranges.push_back({0, extent, 1});
  return ranges;
}

// `ranges` by ONNX axis, written by stored position.
[[nodiscard]] inline OpDraft slice_op(OpDraft draft, const std::vector<SliceRange>& ranges, const AxisOrder& order) {
  std::vector<int32_t> values;
  for (const size_t axis : order) {
    for (const int64_t value : {ranges[axis].begin, ranges[axis].end, ranges[axis].step}) values.push_back(static_cast<int32_t>(value));
  }
  draft.i32_triples("ranges", values);
  return draft;
}

}  // namespace qtool::exporters::dlc
