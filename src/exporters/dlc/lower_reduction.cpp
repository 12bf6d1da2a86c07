// ReduceMean, ReduceSum, ReduceMax, ReduceMin.
#include "dlc/lowering_table.h"
#include "dlc/reduced_order.h"

namespace qtool::exporters::dlc {
namespace {

constexpr int64_t kSumAxesAreInput = 13;
constexpr int64_t kAxesAreInput = 18;

std::vector<size_t> axes_of(NodeLowering& n, int64_t input_since) {
  std::vector<size_t> axes;
  const auto listed = n.int_list("axes", 1, input_since);
  for (const int64_t axis : listed.value_or(std::vector<int64_t>{})) axes.push_back(n.shape(0).normalize_axis(axis));
  const bool none_means_none = n.node().attr_int("noop_with_empty_axes", 0) != 0;
  return axes.empty() && !none_means_none ? onnx_order(n.shape(0).rank()) : axes;
}

void lower_reduce(NodeLowering& n, const char* type, int64_t input_since) {
  const AxisOrder order = n.order_of(0);
  const std::vector<size_t> axes = axes_of(n, input_since);
  if (axes.empty()) return n.bind(n.context().placement(n.input(0)));
  std::vector<uint32_t> positions;
  for (const size_t axis : axes) positions.push_back(static_cast<uint32_t>(position_of(order, axis)));
  std::ranges::sort(positions);
  const bool keep = n.node().attr_int("keepdims", 1) != 0;
  OpDraft draft = n.op(type, {n.read(0, order)});
  draft.u32s("axes", positions).boolean("keep_dims", keep);
  n.emit(std::move(draft), keep ? order : reduced_order(order, axes));
}

void lower_mean(NodeLowering& n) { lower_reduce(n, "ReduceMean", kAxesAreInput); }
void lower_sum(NodeLowering& n) { lower_reduce(n, "ReduceSum", kSumAxesAreInput); }
void lower_max(NodeLowering& n) { lower_reduce(n, "ReduceMax", kAxesAreInput); }
void lower_min(NodeLowering& n) { lower_reduce(n, "ReduceMin", kAxesAreInput); }

}  // namespace

void register_lower_reduction(LoweringTable& table) {
  table.add("ReduceMean", {lower_mean});
  table.add("ReduceSum", {lower_sum});
  table.add("ReduceMax", {lower_max});
  table.add("ReduceMin", {lower_min});
}

}  // namespace qtool::exporters::dlc
