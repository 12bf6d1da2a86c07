// Operands of element-wise ops with numpy broadcasting, in one common order.
#pragma once

#include <optional>
#include <string>

#include "dlc/node_lowering.h"

namespace qtool::exporters::dlc {

// The order of the largest computed operand that has the rank of the result.
[[nodiscard]] AxisOrder broadcast_order(const NodeLowering& n);

// Operand `slot` with its axes aligned to `order`; on `form` when given, else in the node's arithmetic.
[[nodiscard]] std::string read_broadcast(NodeLowering& n, size_t slot, const AxisOrder& order,
                                         const std::optional<TensorForm>& form = std::nullopt);

}  // namespace qtool::exporters::dlc
