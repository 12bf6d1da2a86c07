// Cast. Codes are never cast: a quantized operand is dequantized first.
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

void lower_cast(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  const std::string input = n.read(0, order);
  const TensorForm form = n.result_form();
  if (same_form(n.writer().form(input), form)) return n.bind({input, order});  // int64 to int32, float64 to float32
  n.emit(n.op("Cast", {input}), order);
}

}  // namespace

void register_lower_cast(LoweringTable& table) { table.add("Cast", {lower_cast, always_float}); }

}  // namespace qtool::exporters::dlc
