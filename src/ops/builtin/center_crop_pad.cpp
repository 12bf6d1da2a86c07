// CenterCropPad: crops or zero-pads each axis around its centre to the wanted size.
#include <algorithm>
#include <cstring>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

Shape target_shape(const ir::Node& node, const Shape& input, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> axes = node.attr_ints("axes");
  for (size_t i = 0; axes.empty() && i < input.rank(); ++i) {
    axes.resize(input.rank());
    for (size_t k = 0; k < axes.size(); ++k) axes[k] = static_cast<int64_t>(k);
  }
  if (axes.size() != sizes.size()) {
    throw Error(ErrorCode::kInvalidModel, format("{} sizes for {} axes", sizes.size(), axes.size()));
  }
  Shape shape = input;
  for (size_t i = 0; i < axes.size(); ++i) shape[input.normalize_axis(axes[i])] = sizes[i];
  return shape;
}

InferredTypes infer(const InferContext& context) {
  const Tensor* sizes = context.constant(1);
  if (sizes == nullptr) return {std::nullopt};
  return {TensorType{context.dtype(0), target_shape(context.node(), context.shape(0), sizes->to_int64())}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& from = input.shape();
  Tensor output(input.dtype(), target_shape(context.node(), from, context.input(1).to_int64()));
  const Shape& to = output.shape();
  const size_t rank = to.rank(), width = dtype_size_bytes(input.dtype());
  const std::vector<int64_t> strides = from.strides();
  // Input index = output index + shift; the odd pixel stays or goes at the end.
  std::vector<int64_t> shift(rank);
  for (size_t i = 0; i < rank; ++i) shift[i] = from[i] >= to[i] ? (from[i] - to[i]) / 2 : -((to[i] - from[i]) / 2);
  const auto* source = static_cast<const std::byte*>(input.raw());
  auto* target = static_cast<std::byte*>(output.mutable_raw());
  for (int64_t flat = 0; flat < output.element_count(); ++flat) {
    int64_t rest = flat, at = 0;
    bool inside = true;
    for (size_t axis = rank; axis-- > 0;) {
      const int64_t index = rest % to[axis] + shift[axis];
      rest /= to[axis];
      inside = inside && index >= 0 && index < from[axis];
      at += index * strides[axis];
    }
    if (inside) std::memcpy(target + static_cast<size_t>(flat) * width, source + static_cast<size_t>(at) * width, width);
  }
  return {std::move(output)};
}

}  // namespace

void register_center_crop_pad(Registry& registry) {
  registry.add({.type = "CenterCropPad",
                .first_opset = 18,
                .infer = infer,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
