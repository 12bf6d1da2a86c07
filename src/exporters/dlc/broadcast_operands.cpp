#include "dlc/broadcast_operands.h"

namespace qtool::exporters::dlc {
namespace {

Shape with_leading_ones(const Shape& shape, size_t rank) {
  std::vector<int64_t> dims(rank - shape.rank(), 1);
  dims.insert(dims.end(), shape.begin(), shape.end());
  return Shape(std::move(dims));
}

std::string read_constant(NodeLowering& n, size_t slot, const AxisOrder& order, const std::optional<TensorForm>& form) {
  const Shape& shape = n.shape(slot);
  if (shape.element_count() == 1) return n.static_operand(slot, reshaped_layout(shape, {1}), form);
  return n.static_operand(slot, permuted_layout(with_leading_ones(shape, order.size()), order), form);
}

}  // namespace

AxisOrder broadcast_order(const NodeLowering& n) {
  const size_t rank = n.output_shape().rank();
  AxisOrder order = onnx_order(rank);
  int64_t most_elements = -1;
  for (size_t slot = 0; slot < n.input_count(); ++slot) {
    if (n.constant(slot) != nullptr || n.shape(slot).rank() != rank) continue;
    const int64_t elements = n.shape(slot).element_count();
    const bool better = elements > most_elements || (elements == most_elements && is_onnx_order(order));
    if (!better) continue;
    most_elements = elements;
    order = n.order_of(slot);
  }
  return order;
}

std::string read_broadcast(NodeLowering& n, size_t slot, const AxisOrder& order, const std::optional<TensorForm>& form) {
  if (n.constant(slot) != nullptr) return read_constant(n, slot, order, form);
  const auto converted = [&](const std::string& tensor) {
    return form.has_value() ? n.writer().convert(tensor, *form) : n.in_arithmetic(tensor);
  };
  const Shape& shape = n.shape(slot);
  if (shape.rank() == order.size()) return converted(n.context().in_order(n.input(slot), order));
  const Shape full = with_leading_ones(shape, order.size());
  const std::string tensor = converted(n.context().in_memory_order(n.input(slot)));
  const std::string reshaped = n.writer().reshape(tensor, stored_dims(full, onnx_order(order.size())), ".broadcast");
  return n.writer().permute(reshaped, order, order_suffix(order));
}

}  // namespace qtool::exporters::dlc
