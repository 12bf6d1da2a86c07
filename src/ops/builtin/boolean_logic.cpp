// And, Or, Xor of bool tensors with numpy broadcasting.
#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_dtype(operand_dtype(context, 0), DType::kBool);
  require_same_dtype(context, 0, 1);
  return {TensorType{DType::kBool, broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

template <class Fn>
OpDef logic(const char* type, Fn fn) {
  return {.type = type,
          .first_opset = 1,
          .infer = types<InferContext>,
          .evaluate = [fn](const EvalContext& context) -> std::vector<Tensor> {
            Tensor result(settled(types(context)));
            map_broadcast<bool, bool, bool>(context.input(0), context.input(1), result, fn);
            return {std::move(result)};
          },
          .traits = {.flow = ValueFlow::kNotNumeric}};
}

}  // namespace

void register_boolean_logic(Registry& registry) {
  registry.add(logic("And", [](bool a, bool b) { return a && b; }));
  registry.add(logic("Or", [](bool a, bool b) { return a || b; }));
  registry.add(logic("Xor", [](bool a, bool b) { return a != b; }));
}

}  // namespace qtool::ops
