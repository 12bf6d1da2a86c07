// Gather. It copies codes (and is refused otherwise), so the operand is put on the encoding of the result.
#include "dlc/lowering_table.h"
#include "dlc/reduced_order.h"
#include "dlc/slice_range.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

// The axes of the indices take the place of the gathered one.
AxisOrder gathered_order(const AxisOrder& order, size_t axis, size_t index_rank) {
  AxisOrder result;
  for (const size_t old : order) {
    if (old == axis) {
      for (size_t i = 0; i < index_rank; ++i) result.push_back(axis + i);
    } else {
      result.push_back(old < axis ? old : old + index_rank - 1);
    }
  }
  return result;
}

int64_t normalized(const NodeLowering& n, int64_t index, int64_t extent) {
  const int64_t result = index < 0 ? index + extent : index;
  if (result < 0 || result >= extent) n.refuse(format("index {} is outside an axis of {}", index, extent));
  return result;
}

// One constant index that removes its axis: a slice and a Reshape.
void lower_single(NodeLowering& n, size_t axis) {
  const AxisOrder order = n.order_of(0);
  const int64_t index = normalized(n, n.constant(1)->to_int64()[0], n.shape(0)[axis]);
  Shape sliced = n.shape(0);
  sliced[axis] = 1;
  std::vector<SliceRange> ranges = whole_ranges(n.shape(0));
  ranges[axis] = {index, index + 1, 1};
  OpDraft slice = slice_op(n.helper_op("slice", "StridedSlice", {n.read_as(0, order, n.result_form())}), ranges, order);
  const std::string row = n.emit_inner(std::move(slice), stored_dims(sliced, order), n.result_form());
  n.emit(n.op("Reshape", {row}), reduced_order(order, {axis}));
}

std::string read_indices(NodeLowering& n, size_t axis) {
  const AxisOrder order = onnx_order(n.shape(1).rank());
  if (n.constant(1) == nullptr) return n.read(1, order);
  std::vector<int32_t> indices;
  for (const int64_t index : n.constant(1)->to_int64()) indices.push_back(static_cast<int32_t>(normalized(n, index, n.shape(0)[axis])));
  return n.static_int32("indices", indices, stored_dims(n.shape(1), order));
}

void lower_gather(NodeLowering& n) {
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", 0));
  const size_t index_rank = n.shape(1).rank();
  if (index_rank == 0 && n.constant(1) != nullptr && n.constant(0) == nullptr) return lower_single(n, axis);
  if (index_rank == 0) n.refuse("a single computed index; give the indices an axis");
  const AxisOrder order = n.order_of(0);
  const std::string data = n.read_as(0, order, n.result_form());
  OpDraft draft = n.op("Gather", {data, read_indices(n, axis)});
  draft.i32("axis", static_cast<int32_t>(position_of(order, axis)));
  n.emit(std::move(draft), gathered_order(order, axis, index_rank));
}

}  // namespace

void register_lower_gather(LoweringTable& table) { table.add("Gather", {lower_gather}); }

}  // namespace qtool::exporters::dlc
