// Concat and Split.
#include "dlc/broadcast_operands.h"
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

void lower_concat(NodeLowering& n) {
  const AxisOrder order = broadcast_order(n);
  const size_t axis = n.output_shape().normalize_axis(n.node().attr_int("axis", 1));
  std::vector<std::string> inputs;
  for (size_t slot = 0; slot < n.input_count(); ++slot) {
    if (n.shape(slot)[axis] > 0) inputs.push_back(n.read(slot, order));
  }
  OpDraft draft = n.op("Concat", std::move(inputs));
  draft.u32("axis", static_cast<uint32_t>(position_of(order, axis)));
  n.emit(std::move(draft), order);
}

void lower_split(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  const size_t outputs = n.node().outputs.size();
  if (outputs == 1) return n.bind({n.context().in_order(n.input(0), order), order});
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", 0));
  std::vector<uint32_t> starts;  // of all parts but the first
  uint32_t begin = 0;
  for (size_t slot = 0; slot + 1 < outputs; ++slot) {
    begin += static_cast<uint32_t>(n.output_shape(slot)[axis]);
    starts.push_back(begin);
  }
  OpDraft draft = n.op("Split", {n.read(0, order)});
  draft.u32("axis", static_cast<uint32_t>(position_of(order, axis))).u32s("split_index", starts);
  n.emit_all(std::move(draft), std::vector<AxisOrder>(outputs, order));
}

}  // namespace

void register_lower_concat(LoweringTable& table) {
  table.add("Concat", {lower_concat});
  table.add("Split", {lower_split});
}

}  // namespace qtool::exporters::dlc
