// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: every spatial axis becomes 1.
#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

Shape pooled_shape(const Shape& input) {
  if (input.rank() < 2) throw Error(ErrorCode::kInvalidModel, format("global pooling of shape {}", input.text()));
  std::vector<int64_t> dims(input.rank(), 1);
  dims[0] = input[0];
  dims[1] = input[1];
  return Shape(std::move(dims));
}

InferredTypes infer(const InferContext& context) {
  return {TensorType{context.dtype(0), pooled_shape(context.shape(0))}};
}

// reduce(span of one plane) -> double
template <class Reduce>
std::vector<Tensor> pool_planes(const EvalContext& context, Reduce&& reduce) {
  const Tensor& input = context.input(0);
  const Shape shape = pooled_shape(input.shape());
  const auto plane = static_cast<size_t>(input.shape().span_count(2, input.shape().rank()));
  const Reals x = to_reals(input);
  Reals y(static_cast<size_t>(shape.element_count()));
  for (size_t i = 0; i < y.size(); ++i) y[i] = reduce(std::span<const double>(x).subspan(i * plane, plane));
  return {from_reals(input.dtype(), shape, y)};
}

std::vector<Tensor> evaluate_average(const EvalContext& context) {
  return pool_planes(context, [](std::span<const double> values) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  });
}

std::vector<Tensor> evaluate_max(const EvalContext& context) {
  return pool_planes(context, [](std::span<const double> values) {
    double best = -std::numeric_limits<double>::infinity();
    for (const double value : values) best = value > best || std::isnan(value) ? value : best;
    return best;
  });
}

std::vector<Tensor> evaluate_lp(const EvalContext& context) {
  const auto p = static_cast<double>(context.node().attr_int("p", 2));
  return pool_planes(context, [p](std::span<const double> values) {
    double sum = 0.0;
    for (const double value : values) sum += std::pow(std::abs(value), p);
    return std::pow(sum, 1.0 / p);
  });
}

}  // namespace

void register_global_pooling(Registry& registry) {
  registry.add({.type = "GlobalAveragePool", .first_opset = 1, .infer = infer, .evaluate = evaluate_average});
  registry.add({.type = "GlobalMaxPool", .first_opset = 1, .infer = infer, .evaluate = evaluate_max});
  registry.add({.type = "GlobalLpPool", .first_opset = 2, .infer = infer, .evaluate = evaluate_lp});
}

}  // namespace qtool::ops
