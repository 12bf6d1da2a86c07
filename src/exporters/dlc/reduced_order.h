// Orders of results that have fewer axes than the operand.
#pragma once

#include <algorithm>
#include <vector>

#include "dlc/axis_order.h"

namespace qtool::exporters::dlc {

// The order of what is left when `removed` axes go: the others keep their places and are counted anew.
[[nodiscard]] inline AxisOrder reduced_order(const AxisOrder& order, const std::vector<size_t>& removed) {
  AxisOrder result;
  for (const size_t axis : order) {
    if (std::ranges::find(removed, axis) != removed.end()) continue;
    const auto below = std::ranges::count_if(removed, [&](size_t gone) { return gone < axis; });
    result.push_back(axis - static_cast<size_t>(below));
  }
  return result;
}

}  // namespace qtool::exporters::dlc
