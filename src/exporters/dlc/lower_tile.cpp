// Expand and Tile. Tile copies codes, so the operand is put on the encoding of the result.
#include <algorithm>

#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

void emit_tile(NodeLowering& n, const std::string& input, const Shape& from, const AxisOrder& order) {
  std::vector<uint32_t> multiples;
  for (const size_t axis : order) multiples.push_back(static_cast<uint32_t>(n.output_shape()[axis] / from[axis]));
  if (std::ranges::all_of(multiples, [](uint32_t times) { return times == 1; })) return n.bind({input, order});
  OpDraft draft = n.op("Tile", {input});
  draft.u32s("multiples", multiples);
  n.emit(std::move(draft), order);
}

void lower_tile(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  emit_tile(n, n.read_as(0, order, n.result_form()), n.shape(0), order);
}

void lower_expand(NodeLowering& n) {
  const size_t rank = n.output_shape().rank();
  if (n.shape(0).rank() == rank) return lower_tile(n);
  std::vector<int64_t> dims(rank - n.shape(0).rank(), 1);
  dims.insert(dims.end(), n.shape(0).begin(), n.shape(0).end());
  const AxisOrder order = onnx_order(rank);
  const Shape full(std::move(dims));
  emit_tile(n, n.read_reshaped(0, stored_dims(full, order), n.result_form()), full, order);
}

}  // namespace

void register_lower_tile(LoweringTable& table) {
  table.add("Tile", {lower_tile});
  table.add("Expand", {lower_expand});
}

}  // namespace qtool::exporters::dlc
