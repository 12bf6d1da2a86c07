// Shape (with start and end since opset 15) and Size: known as soon as the input type is.
#include <algorithm>

#include "operands.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

Tensor shape_slice(const ir::Node& node, const Shape& input) {
  const auto rank = static_cast<int64_t>(input.rank());
  const auto clamped = [rank](int64_t bound) { return std::clamp<int64_t>(bound < 0 ? bound + rank : bound, 0, rank); };
  const int64_t start = clamped(node.attr_int("start", 0));
  const int64_t end = std::max(clamped(node.attr_int("end", rank)), start);
  const std::span<const int64_t> dims(input.dims());
  return Tensor::from<int64_t>(Shape{end - start}, dims.subspan(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

Tensor element_count(const ir::Node&, const Shape& input) { return Tensor::scalar<int64_t>(input.element_count()); }

template <Tensor (*describe)(const ir::Node&, const Shape&)>
OpDef shape_query(const char* type) {
  return {.type = type,
          .infer = [](const InferContext& context) -> InferredTypes {
            return {describe(context.node(), context.shape(0)).type()};
          },
          .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
            return {describe(context.node(), context.input(0).shape())};
          },
          .fold_types = [](const InferContext& context) -> std::vector<Tensor> {
            return {describe(context.node(), context.shape(0))};
          },
          .traits = {.flow = ValueFlow::kNotNumeric}};
}

}  // namespace

void register_shape(Registry& registry) {
  registry.add(shape_query<shape_slice>("Shape"));
  registry.add(shape_query<element_count>("Size"));
}

}  // namespace qtool::ops
