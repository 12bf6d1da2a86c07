// Equal, Greater, GreaterOrEqual, Less, LessOrEqual; comparisons with NaN are false.
#include <functional>

#include "broadcast.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  require_same_dtype(context, 0, 1);
  return {TensorType{DType::kBool, broadcast_shapes(operand_shape(context, 0), operand_shape(context, 1))}};
}

template <class Fn>
OpDef comparison(const char* type, int64_t first_opset, Fn fn) {
  return {.type = type,
          .first_opset = first_opset,
          .infer = types<InferContext>,
          .evaluate = [fn](const EvalContext& context) -> std::vector<Tensor> {
            Tensor result(settled(types(context)));
            dispatch_dtype(operand_dtype(context, 0), [&]<class T>() {
              map_broadcast<T, T, bool>(context.input(0), context.input(1), result, fn);
            });
            return {std::move(result)};
          },
          .traits = {.flow = ValueFlow::kNotNumeric}};
}

}  // namespace

void register_comparisons(Registry& registry) {
  registry.add(comparison("Equal", 1, std::equal_to<>{}));
  registry.add(comparison("Greater", 1, std::greater<>{}));
  registry.add(comparison("GreaterOrEqual", 12, std::greater_equal<>{}));
  registry.add(comparison("Less", 1, std::less<>{}));
  registry.add(comparison("LessOrEqual", 12, std::less_equal<>{}));
}

}  // namespace qtool::ops
