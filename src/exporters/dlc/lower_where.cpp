// Where -> ElementWiseSelect. Both alternatives are put on the encoding of the result.
#include "dlc/broadcast_operands.h"
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

void lower_where(NodeLowering& n) {
  const AxisOrder order = broadcast_order(n);
  const TensorForm form = n.result_form();
  n.emit(n.op("ElementWiseSelect", {read_broadcast(n, 0, order), read_broadcast(n, 1, order, form), read_broadcast(n, 2, order, form)}),
         order);
}

}  // namespace

void register_lower_where(LoweringTable& table) { table.add("Where", {lower_where}); }

}  // namespace qtool::exporters::dlc
