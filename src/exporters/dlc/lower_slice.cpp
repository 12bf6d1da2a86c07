// Slice -> StridedSlice.
#include <algorithm>
#include <numeric>

#include "dlc/lowering_table.h"
#include "dlc/slice_range.h"

namespace qtool::exporters::dlc {
namespace {

constexpr int64_t kBoundsAreInputs = 10;

// ONNX: negative indices count from the end, then both bounds are clamped to the axis.
SliceRange resolved(int64_t begin, int64_t end, int64_t step, int64_t extent) {
  if (begin < 0) begin += extent;
  if (end < 0) end += extent;
  if (step > 0) return {std::clamp<int64_t>(begin, 0, extent), std::clamp<int64_t>(end, 0, extent), step};
  return {std::clamp<int64_t>(begin, 0, extent - 1), std::clamp<int64_t>(end, -1, extent - 1), step};
}

std::vector<SliceRange> ranges_of(NodeLowering& n) {
  const Shape& shape = n.shape(0);
  const auto starts = n.int_list("starts", 1, kBoundsAreInputs);
  const auto ends = n.int_list("ends", 2, kBoundsAreInputs);
  if (!starts || !ends || starts->size() != ends->size()) n.refuse("starts and ends are missing or differ in length");
  std::vector<int64_t> axes(starts->size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  axes = n.int_list("axes", 3, kBoundsAreInputs).value_or(axes);
  const std::vector<int64_t> steps = n.int_list("steps", 4, kBoundsAreInputs).value_or(std::vector<int64_t>(axes.size(), 1));
  std::vector<SliceRange> ranges = whole_ranges(shape);
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = shape.normalize_axis(axes[i]);
    ranges[axis] = resolved((*starts)[i], (*ends)[i], steps[i], shape[axis]);
  }
  return ranges;
}

void lower_slice(NodeLowering& n) {
  const std::vector<SliceRange> ranges = ranges_of(n);
  const AxisOrder order = n.order_of(0);
  if (n.shape(0) == n.output_shape() && std::ranges::all_of(ranges, [](const SliceRange& r) { return r.step == 1; })) {
    return n.bind(n.context().placement(n.input(0)));
  }
  n.emit(slice_op(n.op("StridedSlice", {n.read(0, order)}), ranges, order), order);
}

}  // namespace

void register_lower_slice(LoweringTable& table) { table.add("Slice", {lower_slice}); }

}  // namespace qtool::exporters::dlc
