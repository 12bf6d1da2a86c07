// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: classes on axis 1, reduction none, sum or weighted mean.
#include <algorithm>
#include <cmath>
#include <string>

#include "operands.h"
#include "qtool/ops/registry.h"
#include "real_values.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
std::string reduction_of(const Context& context) {
  const std::string reduction = context.node().attr_string("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") invalid_model("attribute reduction is '{}'", reduction);
  return reduction;
}

template <class Context>
TensorType loss_type(const Context& context) {
  const Shape &scores = operand_shape(context, 0), &target = operand_shape(context, 1);
  require_floating(operand_dtype(context, 0));
  require_integer(operand_dtype(context, 1));
  std::vector<int64_t> expected = scores.dims();
  if (scores.rank() < 2) invalid_model("expected scores of rank 2 or more, found shape {}", scores.text());
  expected.erase(expected.begin() + 1);
  if (target.dims() != expected) invalid_model("targets of shape {} do not fit scores of shape {}", target.text(), scores.text());
  if (context.has_input(2) && operand_shape(context, 2).element_count() != scores[1]) {
    invalid_model("{} weights for {} classes", operand_shape(context, 2).element_count(), scores[1]);
  }
  return {operand_dtype(context, 0), reduction_of(context) == "none" ? target : Shape{}};
}

// `log_probabilities` in the layout of the scores.
Tensor likelihood_loss(const EvalContext& context, const Reals& log_probabilities) {
  const TensorType type = loss_type(context);
  const Shape& scores = operand_shape(context, 0);
  const int64_t classes = scores[1], inner = scores.span_count(2, scores.rank());
  const std::vector<int64_t> targets = context.input(1).to_int64();
  const Reals weights = context.has_input(2) ? to_reals(context.input(2)) : Reals(static_cast<size_t>(classes), 1.0);
  const bool ignores = context.node().has_attribute("ignore_index");
  const int64_t ignored = context.node().attr_int("ignore_index", 0);
  Reals losses(targets.size(), 0.0);
  double sum = 0.0, weight_sum = 0.0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const int64_t target = targets[i];
    if (ignores && target == ignored) continue;
    if (target < 0 || target >= classes) throw Error(ErrorCode::kInvalidData, format("target {} is no class of {}", target, classes));
    const int64_t outer = static_cast<int64_t>(i) / inner, position = static_cast<int64_t>(i) % inner;
    const double weight = weights[static_cast<size_t>(target)];
    losses[i] = -log_probabilities[static_cast<size_t>((outer * classes + target) * inner + position)] * weight;
    sum += losses[i];
    weight_sum += weight;
  }
  const std::string reduction = reduction_of(context);
  if (reduction == "none") return from_reals(type.dtype, type.shape, losses);
  const double reduced = reduction == "sum" ? sum : sum / weight_sum;
  return from_reals(type.dtype, type.shape, std::span(&reduced, 1));
}

Reals log_softmax(const Tensor& scores) {
  Reals values = to_reals(scores);
  const Shape& shape = scores.shape();
  const int64_t classes = shape[1], inner = shape.span_count(2, shape.rank());
  for (int64_t line = 0; line < shape[0] * inner; ++line) {
    double* first = values.data() + (line / inner) * classes * inner + line % inner;
    double largest = first[0], sum = 0.0;
    for (int64_t c = 1; c < classes; ++c) largest = std::max(largest, first[c * inner]);
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(first[c * inner] - largest);
    for (int64_t c = 0; c < classes; ++c) first[c * inner] -= largest + std::log(sum);
  }
  return values;
}

}  // namespace

void register_losses(Registry& registry) {
  registry.add({.type = "NegativeLogLikelihoodLoss",
                .first_opset = 12,
                .infer = [](const InferContext& context) -> InferredTypes { return {loss_type(context)}; },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  return {likelihood_loss(context, to_reals(context.input(0)))};
                }});
  registry.add({.type = "SoftmaxCrossEntropyLoss",
                .first_opset = 12,
                .infer = [](const InferContext& context) -> InferredTypes { return {loss_type(context), context.type(0)}; },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  const Tensor& scores = context.input(0);
                  const Reals log_probabilities = log_softmax(scores);
                  return {likelihood_loss(context, log_probabilities), from_reals(scores.dtype(), scores.shape(), log_probabilities)};
                }});
}

}  // namespace qtool::ops
