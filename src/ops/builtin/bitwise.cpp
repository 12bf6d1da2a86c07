// BitwiseAnd, BitwiseOr, BitwiseXor, BitShift of integer tensors with numpy broadcasting.
#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 1);
  require_integer(operand_dtype(context, 0));
  return {TensorType{operand_dtype(context, 0), broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

template <class Fn>
std::vector<Tensor> evaluate_with(const EvalContext& context, Fn fn) {
  Tensor result(settled(types(context)));
  dispatch_integer(result.dtype(), [&]<class T>() {
    map_broadcast<T, T, T>(context.input(0), context.input(1), result, fn);
  });
  return {std::move(result)};
}

bool shifts_left(const ir::Node& node) {
  const std::string direction = node.attr_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    invalid_model("attribute direction is '{}', expected 'LEFT' or 'RIGHT'", direction);
  }
  return direction == "LEFT";
}

template <class Fn>
OpDef bitwise(const char* type, Fn fn) {
  return {.type = type,
          .first_opset = 18,
          .infer = types<InferContext>,
          .evaluate = [fn](const EvalContext& context) { return evaluate_with(context, fn); },
          .traits = {.flow = ValueFlow::kNotNumeric}};
}

}  // namespace

void register_bitwise(Registry& registry) {
  registry.add(bitwise("BitwiseAnd", []<class T>(T a, T b) { return static_cast<T>(a & b); }));
  registry.add(bitwise("BitwiseOr", []<class T>(T a, T b) { return static_cast<T>(a | b); }));
  registry.add(bitwise("BitwiseXor", []<class T>(T a, T b) { return static_cast<T>(a ^ b); }));
  registry.add({.type = "BitShift",
                .first_opset = 11,
                .infer = [](const InferContext& context) {
                  (void)shifts_left(context.node());
                  return types(context);
                },
                .evaluate = [](const EvalContext& context) {
                  return evaluate_with(context, [left = shifts_left(context.node())]<class T>(T value, T amount) {
                    const auto bits = static_cast<uint64_t>(amount);
                    if (bits >= sizeof(T) * 8) return T{0};  // the C++ shift is undefined there
                    return static_cast<T>(left ? static_cast<uint64_t>(value) << bits : static_cast<uint64_t>(value) >> bits);
                  });
                },
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
