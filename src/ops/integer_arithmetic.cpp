#include "integer_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

// Index of a numpy-broadcast operand of shape `small` for flat index `flat` of `shape`.
size_t broadcast_index(const Shape& shape, const Shape& small, int64_t flat) {
  int64_t index = 0, step = 1;
  for (size_t i = 0; i < shape.rank(); ++i) {
    const size_t axis = shape.rank() - 1 - i;
    const int64_t coordinate = flat % shape[axis];
    flat /= shape[axis];
    if (i >= small.rank()) break;
    const int64_t extent = small[small.rank() - 1 - i];
    if (extent != 1) index += coordinate * step;
    step *= extent;
  }
  return static_cast<size_t>(index);
}

}  // namespace

Reals centered_levels(const Tensor& levels, const Tensor* zero_point, size_t axis) {
  Reals values = to_reals(levels);
  if (zero_point == nullptr || zero_point->empty()) return values;
  const Reals zeros = to_reals(*zero_point);
  const Shape& shape = levels.shape();
  if (zeros.size() == 1) {
    for (double& value : values) value -= zeros[0];
    return values;
  }
  if (zero_point->shape().rank() > 1) {
    (void)broadcast_shapes(shape, zero_point->shape());
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] -= zeros[broadcast_index(shape, zero_point->shape(), static_cast<int64_t>(i))];
    }
    return values;
  }
  if (axis >= shape.rank() || shape[axis] != static_cast<int64_t>(zeros.size())) {
    throw Error(ErrorCode::kInvalidModel,
                format("{} zero points do not fit axis {} of shape {}", zeros.size(), axis, shape.text()));
  }
  const auto inner = static_cast<size_t>(shape.span_count(axis + 1, shape.rank()));
  for (size_t i = 0; i < values.size(); ++i) values[i] -= zeros[i / inner % zeros.size()];
  return values;
}

std::vector<double> requantization_multipliers(const Tensor& input_scale, const Tensor& weight_scale,
                                               const Tensor& output_scale) {
  const Reals input = to_reals(input_scale), weight = to_reals(weight_scale), output = to_reals(output_scale);
  if (input.size() != 1 || output.size() != 1) {
    throw Error(ErrorCode::kUnsupported, "input and output scales must be scalars");
  }
  std::vector<double> result;
  for (const double scale : weight) result.push_back(input[0] * scale / output[0]);
  return result;
}

Tensor requantize(const Reals& accumulators, const Shape& shape, const Requantization& to) {
  const DType dtype = to.zero_point->dtype();
  const Reals zeros = to_reals(*to.zero_point);
  const size_t count = to.multipliers.size();
  const auto inner = count > 1 ? static_cast<size_t>(shape.span_count(to.axis + 1, shape.rank())) : 1;
  if (zeros.size() != 1 || (count > 1 && shape[to.axis] != static_cast<int64_t>(count))) {
    throw Error(ErrorCode::kInvalidModel, format("{} scales and {} zero points do not fit output {}", count,
                                                 zeros.size(), shape.text()));
  }
  Reals levels(accumulators.size());
  for (size_t i = 0; i < levels.size(); ++i) {
    levels[i] = std::nearbyint(accumulators[i] * to.multipliers[count > 1 ? i / inner % count : 0]) + zeros[0];
  }
  return from_reals(dtype, shape, levels);  // integers saturate there
}

}  // namespace qtool::ops
