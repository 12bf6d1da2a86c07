// Reshape and its relatives, Transpose, Identity.
#include "dlc/lowering_table.h"
#include "qtool/tensor/permutation.h"

namespace qtool::exporters::dlc {
namespace {

// Reshape copies codes: the operand is put on the encoding of the result.
void lower_reshape(NodeLowering& n) {
  if (n.shape(0) == n.output_shape()) return n.bind(n.context().placement(n.input(0)));
  const std::string source = n.writer().convert(n.context().in_memory_order(n.input(0)), n.result_form());
  const size_t rank = n.output_shape().rank();
  // Nothing but another Reshape follows, at most behind a Transpose (reduce_rank sees to that): no tensor of that rank.
  if (rank > kMostAxes) return n.bind({source, onnx_order(rank)});
  n.emit(n.op("Reshape", {source}), onnx_order(n.output_shape().rank()));
}

// Writes nothing: the result is the same tensor with its axes named anew.
void lower_transpose(NodeLowering& n) {
  const std::vector<int64_t> perm = n.node().attr_ints("perm", reversed_axes(n.shape(0).rank()));
  const AxisOrder axes(perm.begin(), perm.end());
  Placement placement = n.context().placement(n.input(0));
  placement.order = [&] {
    AxisOrder order;
    for (const size_t axis : placement.order) order.push_back(position_of(axes, axis));
    return order;
  }();
  n.bind(std::move(placement));
}

void lower_identity(NodeLowering& n) { n.bind(n.context().placement(n.input(0))); }

}  // namespace

void register_lower_reshape(LoweringTable& table) {
  for (const char* type : {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}) table.add(type, {lower_reshape});
  table.add("Transpose", {lower_transpose});
  table.add("Identity", {lower_identity});
  table.add("Dropout", {lower_identity});
}

}  // namespace qtool::exporters::dlc
