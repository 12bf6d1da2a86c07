// Softmax and LogSoftmax. The backend works along the last axis.
#include <optional>

#include "dlc/lowering_table.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

constexpr uint32_t kLog = 7;  // of Eltwise_Unary

// Before opset 13 all axes from `axis` on are one vector. The one of them that is longer than 1; the last when all
// are 1; nullopt when there are several.
std::optional<size_t> softmax_axis(const NodeLowering& n) {
  constexpr int64_t kOneAxis = 13;
  const bool one_axis = n.node().opset >= kOneAxis;
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", one_axis ? -1 : 1));
  if (one_axis) return axis;
  std::optional<size_t> found;
  for (size_t i = axis; i < n.shape(0).rank(); ++i) {
    if (n.shape(0)[i] == 1) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found.value_or(n.shape(0).rank() - 1);
}

OpDraft along_last_axis(OpDraft draft, size_t rank) {
  draft.u32("axis", static_cast<uint32_t>(rank - 1)).f32("beta", 1.0f);
  return draft;
}

// Several axes as one vector: Reshape, Softmax, Reshape.
void lower_flattened(NodeLowering& n) {
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", 1));
  const auto rows = static_cast<uint32_t>(n.shape(0).span_count(0, axis));
  const auto columns = static_cast<uint32_t>(n.shape(0).span_count(axis, n.shape(0).rank()));
  const std::string input = n.writer().reshape(n.in_arithmetic(n.context().in_memory_order(n.input(0))), {rows, columns}, ".rows");
  const std::string result = n.emit_inner(along_last_axis(n.helper_op("rows", "Softmax", {input}), 2), {rows, columns}, n.result_form());
  n.emit(n.op("Reshape", {result}), onnx_order(n.shape(0).rank()));
}

void lower_softmax(NodeLowering& n) {
  const std::optional<size_t> axis = softmax_axis(n);
  if (!axis) return lower_flattened(n);
  const AxisOrder order = with_axis_last(n.order_of(0), *axis);
  n.emit(along_last_axis(n.op("Softmax", {n.read(0, order)}), order.size()), order);
}

void lower_log_softmax(NodeLowering& n) {
  const std::optional<size_t> axis = softmax_axis(n);
  if (!axis) n.refuse("normalizes several axes at once; raise the model to opset 13");
  const AxisOrder order = with_axis_last(n.order_of(0), *axis);
  OpDraft softmax = along_last_axis(n.helper_op("softmax", "Softmax", {n.read(0, order)}), order.size());
  OpDraft log = n.op("Eltwise_Unary", {n.emit_inner(std::move(softmax), stored_dims(n.shape(0), order), n.result_form())});
  log.u32("operation", kLog);
  n.emit(std::move(log), order);
}

}  // namespace

void register_lower_softmax(LoweringTable& table) {
  table.add("Softmax", {lower_softmax});
  table.add("LogSoftmax", {lower_log_softmax, always_float});
}

}  // namespace qtool::exporters::dlc
