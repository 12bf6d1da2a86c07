// InstanceNormalization and GroupNormalization: groups of channels are normalized within each image. Instance
// normalization is the case of one channel a group.
#include <algorithm>

#include "normalize.h"
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

struct GroupLayout {
  int64_t groups;
  bool scale_per_group;  // GroupNormalization 18; later versions and InstanceNormalization: one a channel
};

void check(const Shape& input, const Shape& scale, const GroupLayout& layout) {
  const bool valid = input.rank() >= 2 && layout.groups >= 1 && input[1] % layout.groups == 0 &&
                     scale.element_count() == (layout.scale_per_group ? layout.groups : input[1]);
  if (!valid) {
    throw Error(ErrorCode::kInvalidModel, format("scale {} with {} groups does not fit an input of shape {}",
                                                 scale.text(), layout.groups, input.text()));
  }
}

GroupLayout group_layout(const ir::Node& node, const Shape& input) {
  if (node.op_type == "InstanceNormalization") return {input.rank() >= 2 ? std::max<int64_t>(input[1], 1) : 1, false};
  return {node.attr_int("num_groups", 1), node.opset < 21};
}

InferredTypes infer(const InferContext& context) {
  GroupLayout layout = group_layout(context.node(), context.shape(0));
  // Some models of opset 18 to 20 already give one scale a channel.
  if (context.shape(1).element_count() != layout.groups) layout.scale_per_group = false;
  check(context.shape(0), context.shape(1), layout);
  return {context.type(0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  GroupLayout layout = group_layout(context.node(), input.shape());
  if (context.input(1).element_count() != layout.groups) layout.scale_per_group = false;
  check(input.shape(), context.input(1).shape(), layout);
  const Reals scale = to_reals(context.input(1)), bias = to_reals(context.input(2));
  const auto plane = static_cast<size_t>(input.shape().span_count(2, input.shape().rank()));
  const auto channels = static_cast<size_t>(input.shape()[1]);
  const size_t group_channels = channels / static_cast<size_t>(layout.groups);
  const double epsilon = context.node().attr_float("epsilon", 1e-5f);

  Reals values = to_reals(input);
  const std::span<double> all(values);
  for (size_t begin = 0; begin < values.size(); begin += group_channels * plane) {
    normalize(all.subspan(begin, group_channels * plane), epsilon);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = i / plane % channels;
    const size_t parameter = layout.scale_per_group ? channel / group_channels : channel;
    values[i] = values[i] * scale[parameter] + bias[parameter];
  }
  return {from_reals(input.dtype(), input.shape(), values)};
}

}  // namespace

void register_instance_normalization(Registry& registry) {
  registry.add({.type = "InstanceNormalization", .first_opset = 6, .infer = infer, .evaluate = evaluate});
  registry.add({.type = "GroupNormalization", .first_opset = 18, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
