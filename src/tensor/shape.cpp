#include "qtool/tensor/shape.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool {

int64_t Shape::span_count(size_t first, size_t last) const {
  int64_t count = 1;
  for (size_t i = first; i < last; ++i) {
    if (dims_[i] < 0 || __builtin_mul_overflow(count, dims_[i], &count)) {
      throw Error(ErrorCode::kInvalidModel, format("shape {} has no valid element count", text()));
    }
  }
  return count;
}

int64_t Shape::element_count() const { return span_count(0, rank()); }

size_t Shape::normalize_axis(int64_t axis) const {
  const auto n = static_cast<int64_t>(rank());
  if (axis < -n || axis >= n) {
    throw Error(ErrorCode::kInvalidModel, format("axis {} is outside a tensor of shape {}", axis, text()));
  }
  return static_cast<size_t>(axis < 0 ? axis + n : axis);
}

std::vector<int64_t> Shape::strides() const {
  std::vector<int64_t> result(rank(), 1);
  for (size_t i = rank(); i-- > 1;) result[i - 1] = result[i] * dims_[i];
  return result;
}

std::string Shape::text() const { return format("[{}]", join(dims_, ", ")); }

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  std::vector<int64_t> dims(std::max(a.rank(), b.rank()));
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t da = i < a.rank() ? a[a.rank() - 1 - i] : 1;
    const int64_t db = i < b.rank() ? b[b.rank() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      throw Error(ErrorCode::kInvalidModel, format("shapes {} and {} do not broadcast", a.text(), b.text()));
    }
    dims[dims.size() - 1 - i] = da == 1 ? db : da;
  }
  return Shape(std::move(dims));
}

}  // namespace qtool
