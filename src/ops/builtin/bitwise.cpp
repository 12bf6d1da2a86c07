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

// Right shifts of signed integers are arithmetic. Amounts from the width of the type on, and negative ones, shift
// everything out, where the C++ operator is undefined.
template <class T>
T shifted(T value, T amount, bool left) {
  constexpr int kWidth = static_cast<int>(sizeof(T) * 8);
  const bool all_out = amount < T{0} || static_cast<uint64_t>(amount) >= static_cast<uint64_t>(kWidth);
  if (left) return all_out ? T{0} : static_cast<T>(static_cast<uint64_t>(value) << static_cast<int>(amount));
  if (all_out) return value < T{0} ? static_cast<T>(-1) : T{0};
  return static_cast<T>(value >> static_cast<int>(amount));
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
                    return shifted(value, amount, left);
                  });
                },
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
