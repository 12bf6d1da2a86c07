// MaxPool, AveragePool and their global forms.
#include "dlc/lowering_table.h"
#include "dlc/spatial_window.h"
#include "qtool/ops/window.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

enum Rounding : uint32_t { kFloor = 0, kCeil = 1 };

bool sizes_follow(const NodeLowering& n, const ops::WindowParams& window, Rounding rounding) {
  for (size_t axis = 0; axis < window.rank(); ++axis) {
    const int64_t free = n.shape(0)[axis + 2] + window.pads_begin[axis] + window.pads_end[axis] - window.kernel[axis];
    const int64_t slack = rounding == kCeil ? window.strides[axis] - 1 : 0;
    if ((free + slack) / window.strides[axis] + 1 != window.output[axis]) return false;
  }
  return true;
}

Rounding rounding_of(const NodeLowering& n, const ops::WindowParams& window) {
  if (sizes_follow(n, window, kFloor)) return kFloor;
  if (sizes_follow(n, window, kCeil)) return kCeil;
  n.refuse("the output size follows neither from rounding down nor up; give the pads explicitly");
}

OpDraft pool(NodeLowering& n, const char* type) {
  const ops::WindowParams params = ops::pool_window(n.node(), n.shape(0));
  for (const int64_t dilation : params.dilations) {
    if (dilation != 1) n.refuse("a dilated pooling has no counterpart on the backend");
  }
  const SpatialWindow window = spatial_window(n, params);
  OpDraft draft = image_op(n, type, {read_image(n)});
  draft.u32s("filter_size", window.kernel).u32s("stride", window.stride).u32_pairs("pad_amount", window.pads);
  draft.u32("rounding_mode", rounding_of(n, params));
  return draft;
}

void lower_max_pool(NodeLowering& n) {
  if (n.reads_output(1)) n.refuse("the indices are read as well; the backend does not give them");
  emit_image(n, pool(n, "PoolMax2d"));
}

void lower_average_pool(NodeLowering& n) {
  OpDraft draft = pool(n, "PoolAvg2d");
  draft.boolean("count_pad_for_edges", n.node().attr_int("count_include_pad", 0) != 0);
  emit_image(n, std::move(draft));
}

// One window over the whole image; other ranks are reduced instead.
void lower_global(NodeLowering& n, const char* pool_type, const char* reduce_type) {
  const size_t rank = n.shape(0).rank();
  const AxisOrder order = channels_last(rank);
  if (rank != 4) {
    std::vector<uint32_t> spatial;
    for (size_t i = 1; i + 1 < rank; ++i) spatial.push_back(static_cast<uint32_t>(i));
    OpDraft draft = n.op(reduce_type, {n.read(0, order)});
    draft.u32s("axes", spatial).boolean("keep_dims", true);
    return n.emit(std::move(draft), order);
  }
  const std::vector<uint32_t> size = {static_cast<uint32_t>(n.shape(0)[2]), static_cast<uint32_t>(n.shape(0)[3])};
  OpDraft draft = n.op(pool_type, {n.read(0, order)});
  draft.u32s("filter_size", size).u32s("stride", size).u32_pairs("pad_amount", {0, 0, 0, 0});
  n.emit(std::move(draft), order);
}

void lower_global_average(NodeLowering& n) { lower_global(n, "PoolAvg2d", "ReduceMean"); }
void lower_global_max(NodeLowering& n) { lower_global(n, "PoolMax2d", "ReduceMax"); }

}  // namespace

void register_lower_pooling(LoweringTable& table) {
  table.add("MaxPool", {lower_max_pool});
  table.add("AveragePool", {lower_average_pool});
  table.add("GlobalAveragePool", {lower_global_average});
  table.add("GlobalMaxPool", {lower_global_max});
}

}  // namespace qtool::exporters::dlc
