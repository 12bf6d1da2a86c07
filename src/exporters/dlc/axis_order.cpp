#include "dlc/axis_order.h"

#include <algorithm>
#include <numeric>

#include "qtool/support/error.h"

namespace qtool::exporters::dlc {

AxisOrder onnx_order(size_t rank) {
  AxisOrder order(rank);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

AxisOrder channels_last(size_t rank) {
  return rank < 3 ? onnx_order(rank) : with_axis_last(onnx_order(rank), 1);
}

bool is_onnx_order(const AxisOrder& order) { return std::ranges::is_sorted(order); }

AxisOrder with_axis_last(const AxisOrder& order, size_t axis) {
  AxisOrder result = order;
  std::erase(result, axis);
  result.push_back(axis);
  return result;
}

std::vector<uint32_t> stored_dims(const Shape& shape, const AxisOrder& order) {
  QTOOL_CHECK(shape.rank() == order.size());
  std::vector<uint32_t> dims;
  for (const size_t axis : order) dims.push_back(static_cast<uint32_t>(shape[axis]));
  return dims;
}

size_t position_of(const AxisOrder& order, size_t axis) {
  const auto at = std::ranges::find(order, axis);
  QTOOL_CHECK(at != order.end());
  return static_cast<size_t>(at - order.begin());
}

AxisOrder permutation_between(const AxisOrder& from, const AxisOrder& to) {
  AxisOrder result;
  for (const size_t axis : to) result.push_back(position_of(from, axis));
  return result;
}

bool same_memory(const Shape& shape, const AxisOrder& a, const AxisOrder& b) {
  const auto moving = [&](AxisOrder order) {
    std::erase_if(order, [&](size_t axis) { return shape[axis] == 1; });
    return order;
  };
  return moving(a) == moving(b);
}

const char* order_suffix(const AxisOrder& order) {
  const bool onnx = is_onnx_order(order);
  if (order.size() == 4 && onnx) return ".nchw";
  if (order.size() == 3 && onnx) return ".ncf";
  if (order.size() == 4 && order == channels_last(4)) return ".nhwc";
  if (order.size() == 3 && order == channels_last(3)) return ".nfc";
  return onnx ? ".onnx_order" : ".permuted";
}

}  // namespace qtool::exporters::dlc
