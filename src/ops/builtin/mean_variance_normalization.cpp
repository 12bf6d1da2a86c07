// MeanVarianceNormalization: (x - mean) / (standard deviation + 1e-9) over `axes`.
#include <cmath>

#include "qtool/ops/registry.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

constexpr double kDeviationFloor = 1e-9;  // of the operator's definition

InferredTypes infer(const InferContext& context) { return {context.type(0)}; }

std::vector<bool> reduced_axes(const ir::Node& node, const Shape& shape) {
  std::vector<bool> reduced(shape.rank(), false);
  for (const int64_t axis : node.attr_ints("axes", {0, 2, 3})) reduced[shape.normalize_axis(axis)] = true;
  return reduced;
}

// For every element, which statistic it belongs to; statistics are numbered along the kept axes.
std::vector<size_t> statistic_of_element(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<int64_t> steps(shape.rank(), 0);
  int64_t step = 1;
  for (size_t axis = shape.rank(); axis-- > 0;) {
    if (reduced[axis]) continue;
    steps[axis] = step;
    step *= shape[axis];
  }
  std::vector<size_t> result(static_cast<size_t>(shape.element_count()));
  for (size_t i = 0; i < result.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t index = 0;
    for (size_t axis = shape.rank(); axis-- > 0;) {
      index += rest % shape[axis] * steps[axis];
      rest /= shape[axis];
    }
    result[i] = static_cast<size_t>(index);
  }
  return result;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const std::vector<bool> reduced = reduced_axes(context.node(), input.shape());
  const std::vector<size_t> statistic = statistic_of_element(input.shape(), reduced);
  int64_t count = 1, kept = 1;
  for (size_t axis = 0; axis < reduced.size(); ++axis) (reduced[axis] ? count : kept) *= input.shape()[axis];
  Reals values = to_reals(input);
  Reals means(static_cast<size_t>(kept), 0.0), deviations(static_cast<size_t>(kept), 0.0);
  for (size_t i = 0; i < values.size(); ++i) means[statistic[i]] += values[i] / static_cast<double>(count);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] -= means[statistic[i]];
    deviations[statistic[i]] += values[i] * values[i] / static_cast<double>(count);
  }
  for (size_t i = 0; i < values.size(); ++i) values[i] /= std::sqrt(deviations[statistic[i]]) + kDeviationFloor;
  return {from_reals(input.dtype(), input.shape(), values)};
}

}  // namespace

void register_mean_variance_normalization(Registry& registry) {
  registry.add({.type = "MeanVarianceNormalization", .first_opset = 9, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
