// Dropout in inference: the input, and a mask of ones.
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

constexpr int64_t kMaskIsBoolSince = 10;  // before, it had the type of the data

template <class Context>
InferredTypes types(const Context& context) {
  const TensorType type = operand_type(context, 0);
  return {type, TensorType{context.node().opset >= kMaskIsBoolSince ? DType::kBool : type.dtype, type.shape}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor* ratio = context.optional_input(1);
  const Tensor* training = context.optional_input(2);
  const bool trains = training != nullptr && training->element_count() == 1 && training->to_int64().front() != 0;
  const bool drops = ratio == nullptr || ratio->element_count() != 1 || ratio->to_float().front() != 0.0f;
  if (trains && drops) throw Error(ErrorCode::kUnsupported, "the node is in training mode: only inference is supported");
  if (context.output_count() < 2) return {context.input(0)};
  Tensor mask(settled(types(context), 1));
  dispatch_dtype(mask.dtype(), [&]<class T>() { std::fill_n(mutable_elements<T>(mask), mask.element_count(), T(1.0f)); });
  return {context.input(0), std::move(mask)};
}

}  // namespace

void register_dropout(Registry& registry) {
  registry.add({.type = "Dropout",
                .first_opset = 6,
                .notes = "inference only",
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
