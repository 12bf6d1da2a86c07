// ArgMax, ArgMin, TopK.
#include "dlc/lowering_table.h"
#include "dlc/reduced_order.h"

namespace qtool::exporters::dlc {
namespace {

void lower_index(NodeLowering& n, const char* type) {
  if (n.node().attr_int("select_last_index", 0) != 0) n.refuse("select_last_index has no counterpart on the backend");
  const AxisOrder order = n.order_of(0);
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", 0));
  const bool keep = n.node().attr_int("keepdims", 1) != 0;
  OpDraft draft = n.op(type, {n.read(0, order)});
  draft.u32("axis", static_cast<uint32_t>(position_of(order, axis))).boolean("keep_dims", keep);
  n.emit(std::move(draft), keep ? order : reduced_order(order, {axis}));
}

void lower_argmax(NodeLowering& n) { lower_index(n, "Argmax"); }
void lower_argmin(NodeLowering& n) { lower_index(n, "Argmin"); }

// The backend looks along the last axis only.
void lower_top_k(NodeLowering& n) {
  constexpr int64_t kCountIsInput = 10;
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", -1));
  const AxisOrder order = with_axis_last(n.order_of(0), axis);
  const int64_t k = n.node().opset < kCountIsInput ? n.node().attr_int("k", 1) : n.output_shape()[axis];
  OpDraft draft = n.op("TopK", {n.read(0, order)});
  draft.u32("k", static_cast<uint32_t>(k)).boolean("largest", n.node().attr_int("largest", 1) != 0);
  n.emit_all(std::move(draft), {order, order});
}

}  // namespace

void register_lower_extremum_index(LoweringTable& table) {
  table.add("ArgMax", {lower_argmax});
  table.add("ArgMin", {lower_argmin});
  table.add("TopK", {lower_top_k, always_float});
}

}  // namespace qtool::exporters::dlc
