// Split along one axis: lengths from attribute `split` (before opset 13) or input 1, else equal parts; since opset
// 18 the last part may be shorter.
#include <numeric>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

constexpr int64_t kUnevenPartsSince = 18;

std::vector<int64_t> equal_parts(const ir::Node& node, int64_t length) {
  const bool may_be_uneven = node.opset >= kUnevenPartsSince;
  const auto outputs = static_cast<int64_t>(node.outputs.size());
  const int64_t parts = may_be_uneven ? node.attr_int("num_outputs", outputs) : outputs;
  if (parts < 1 || parts != outputs) invalid_model("num_outputs is {}, the node has {} outputs", parts, outputs);
  if (!may_be_uneven && length % parts != 0) invalid_model("an axis of length {} does not split into {} equal parts", length, parts);
  const int64_t part = (length + parts - 1) / parts;
  std::vector<int64_t> lengths;
  for (int64_t i = 0, left = length; i < parts; ++i, left -= lengths.back()) lengths.push_back(std::min(part, left));
  return lengths;
}

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const size_t axis = input.normalize_axis(context.node().attr_int("axis", 0));
  IntList lengths = int_list(context, "split", 1, 13);
  if (lengths.unknown()) return InferredTypes(context.output_count());
  if (lengths.absent()) lengths.values = equal_parts(context.node(), input[axis]);
  int64_t sum = 0;
  for (const int64_t length : lengths.values) {
    if (length < 0 || length > input[axis]) {
      invalid_model("split [{}] does not fit an axis of length {}", join(lengths.values, ", "), input[axis]);
    }
    sum += length;
  }
  if (sum != input[axis] || lengths.values.size() != context.output_count()) {
    invalid_model("split [{}] does not divide axis {} of shape {} among {} outputs", join(lengths.values, ", "), axis,
                  input.text(), context.output_count());
  }
  InferredTypes result;
  for (const int64_t length : lengths.values) {
    Shape shape = input;
    shape[axis] = length;
    result.push_back(TensorType{operand_dtype(context, 0), std::move(shape)});
  }
  return result;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const size_t axis = input.shape().normalize_axis(context.node().attr_int("axis", 0));
  const std::vector<int64_t> strides = input.shape().strides();
  std::vector<Tensor> results;
  int64_t start = 0;
  for (const auto& type : types(context)) {
    results.push_back(copy_view(input, start * strides[axis], type->shape.dims(), strides, type->shape));
    start += type->shape[axis];
  }
  return results;
}

}  // namespace

void register_split(Registry& registry) {
  registry.add({.type = "Split",
                .first_opset = 2,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
