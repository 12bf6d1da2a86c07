// Zero points, scales and requantization of the integer operators (ConvInteger, QLinearConv, MatMulInteger, ...).
#pragma once

#include "qtool/ops/op_def.h"
#include "real_values.h"

namespace qtool::ops {

// x - zero_point, exact. The zero point is absent, a scalar, one value per index of `axis`, or an array that
// broadcasts to x.
[[nodiscard]] Reals centered_levels(const Tensor& levels, const Tensor* zero_point, size_t axis);

// saturate(round_half_even(accumulator * multiplier) + zero_point) in the type of zero_point. `multipliers` holds one
// value or one an element of `axis`.
struct Requantization {
  std::vector<double> multipliers;
  size_t axis = 0;
  const Tensor* zero_point = nullptr;
};
[[nodiscard]] Tensor requantize(const Reals& accumulators, const Shape& shape, const Requantization& to);

// input_scale * weight_scale / output_scale, one entry a weight scale.
[[nodiscard]] std::vector<double> requantization_multipliers(const Tensor& input_scale, const Tensor& weight_scale,
                                                             const Tensor& output_scale);

}  // namespace qtool::ops
