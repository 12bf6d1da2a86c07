// BatchNormalization: y = scale * (x - mean) / sqrt(variance + epsilon) + bias.
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// Opset 7 may normalize every feature on its own (spatial = 0); else one statistic a channel.
struct FeatureLayout {
  int64_t features;
  int64_t inner;  // consecutive elements that share a feature
};

FeatureLayout feature_layout(const ir::Node& node, const Shape& input, const Shape& scale) {
  if (input.rank() < 1) throw Error(ErrorCode::kInvalidModel, "batch normalization of a scalar");
  const bool per_activation = node.opset < 9 && node.attr_int("spatial", 1) == 0;
  const int64_t channels = input.rank() > 1 ? input[1] : 1;
  FeatureLayout layout{channels, input.span_count(std::min<size_t>(2, input.rank()), input.rank())};
  if (per_activation) layout = {input.span_count(1, input.rank()), 1};
  if (scale.element_count() != layout.features) {
    throw Error(ErrorCode::kInvalidModel,
                format("{} scales do not fit an input of shape {}", scale.element_count(), input.text()));
  }
  return layout;
}

bool is_training(const ir::Node& node) {
  if (node.opset < 7 && node.attr_int("is_test", 0) == 0) throw Error(ErrorCode::kUnsupported, "is_test is not set: only inference is supported");
  return node.opset >= 14 && node.attr_int("training_mode", 0) != 0;
}

InferredTypes infer(const InferContext& context) {
  (void)feature_layout(context.node(), context.shape(0), context.shape(1));
  (void)is_training(context.node());  // refuses what is not supported when the model is loaded
  const TensorType mean = context.type(3), variance = context.type(4);
  if (context.node().opset >= 14) return {context.type(0), mean, variance};
  return {context.type(0), mean, variance, mean, variance};
}

struct Statistics {
  Reals mean;
  Reals variance;  // of the population
};

Statistics batch_statistics(const Reals& x, const FeatureLayout& layout) {
  const auto features = static_cast<size_t>(layout.features), inner = static_cast<size_t>(layout.inner);
  Statistics result{Reals(features, 0.0), Reals(features, 0.0)};
  const double count = features == 0 ? 1.0 : static_cast<double>(x.size() / features);
  for (size_t i = 0; i < x.size(); ++i) result.mean[i / inner % features] += x[i];
  for (double& mean : result.mean) mean /= count;
  for (size_t i = 0; i < x.size(); ++i) {
    const double distance = x[i] - result.mean[i / inner % features];
    result.variance[i / inner % features] += distance * distance;
  }
  for (double& variance : result.variance) variance /= count;
  return result;
}

Tensor running(const Tensor& before, const Reals& batch, double momentum) {
  Reals values = to_reals(before);
  for (size_t i = 0; i < values.size(); ++i) values[i] = values[i] * momentum + batch[i] * (1.0 - momentum);
  return from_reals(before.dtype(), before.shape(), values);
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const ir::Node& node = context.node();
  const FeatureLayout layout = feature_layout(node, input.shape(), context.input(1).shape());
  const Reals scale = to_reals(context.input(1)), bias = to_reals(context.input(2));
  Reals y = to_reals(input);
  const bool training = is_training(node);
  const Statistics statistics =
      training ? batch_statistics(y, layout) : Statistics{to_reals(context.input(3)), to_reals(context.input(4))};
  const double epsilon = node.attr_float("epsilon", 1e-5f);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t f = i / static_cast<size_t>(layout.inner) % scale.size();
    y[i] = scale[f] * ((y[i] - statistics.mean[f]) / std::sqrt(statistics.variance[f] + epsilon)) + bias[f];
  }
  std::vector<Tensor> outputs{from_reals(input.dtype(), input.shape(), y)};
  const Tensor &mean = context.input(3), &variance = context.input(4);
  if (training) {
    const double momentum = node.attr_float("momentum", 0.9f);
    outputs.push_back(running(mean, statistics.mean, momentum));
    outputs.push_back(running(variance, statistics.variance, momentum));
  } else if (node.outputs.size() > 1) {
    outputs.insert(outputs.end(), {mean, variance});
    if (node.opset < 14) outputs.insert(outputs.end(), {mean, variance});
  }
  return outputs;
}

}  // namespace

void register_batch_normalization(Registry& registry) {
  registry.add({.type = "BatchNormalization",
                .first_opset = 6,
                .infer = infer,
                .evaluate = evaluate,
                // One factor a channel along axis 0 of `scale`: a depthwise 1x1 convolution.
                .traits = {.weight_input = 1, .bias_input = 2, .weight_channel_axis = [](const ir::Node&) { return int64_t{0}; }}});
}

}  // namespace qtool::ops
