#include "real_values.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "qtool/support/error.h"

namespace qtool::ops {

namespace {

template <class T>
T narrow(double value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0.0;
  } else if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return 0;
    if (value <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
    if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return T(static_cast<float>(value));
  }
}

}  // namespace

Reals to_reals(const Tensor& tensor) {
  Reals result(static_cast<size_t>(tensor.element_count()));
  dispatch_dtype(tensor.dtype(), [&]<class T>() {
    const T* source = static_cast<const T*>(tensor.raw());
    for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<double>(source[i]);
  });
  return result;
}

Tensor from_reals(DType dtype, Shape shape, std::span<const double> values) {
  Tensor result(dtype, std::move(shape));
  QTOOL_CHECK(static_cast<size_t>(result.element_count()) == values.size());
  dispatch_dtype(dtype, [&]<class T>() {
    T* target = static_cast<T*>(result.mutable_raw());
    for (size_t i = 0; i < values.size(); ++i) target[i] = narrow<T>(values[i]);
  });
  return result;
}

bool wants_output(const ir::Node& node, size_t slot) {
  return slot < node.outputs.size() && node.outputs[slot] != ir::kNoValue;
}

}  // namespace qtool::ops
