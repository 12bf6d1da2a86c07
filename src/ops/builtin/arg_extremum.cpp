// ArgMax and ArgMin along one axis; of equal elements the first, or the last with select_last_index. NaN counts as
// the extremum, as numpy has it.
#include <cmath>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  Shape shape = operand_shape(context, 0);
  require_numeric(operand_dtype(context, 0));
  const size_t axis = shape.normalize_axis(context.node().attr_int("axis", 0));
  if (shape[axis] == 0) invalid_model("axis {} of shape {} is empty", axis, shape.text());
  if (context.node().attr_int("keepdims", 1) != 0) {
    shape[axis] = 1;
  } else {
    std::vector<int64_t> dims = shape.dims();
    dims.erase(dims.begin() + static_cast<int64_t>(axis));
    shape = Shape(std::move(dims));
  }
  return {TensorType{DType::kInt64, std::move(shape)}};
}

template <class C>
bool is_nan(C x) {
  if constexpr (std::is_floating_point_v<C>) return std::isnan(x);
  else return false;
}

template <class Better>
std::vector<Tensor> evaluate(const EvalContext& context, Better better) {
  const Tensor& input = context.input(0);
  Tensor result(settled(types(context)));
  const AxisView view = view_around(input.shape(), input.shape().normalize_axis(context.node().attr_int("axis", 0)));
  const bool last = context.node().attr_int("select_last_index", 0) != 0;
  int64_t* target = result.mutable_data<int64_t>().data();
  dispatch_numeric(input.dtype(), [&]<class T>() {
    using C = Compute<T>;
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const T* line = elements<T>(input) + o * view.length * view.inner + i;
        int64_t best = 0;
        C best_value = static_cast<C>(line[0]);
        for (int64_t k = 1; k < view.length && !is_nan(best_value); ++k) {
          const C value = static_cast<C>(line[k * view.inner]);
          if (better(value, best_value) || (last && value == best_value) || is_nan(value)) {
            best = k;
            best_value = value;
          }
        }
        *target++ = best;
      }
    }
  });
  return {std::move(result)};
}

}  // namespace

void register_arg_extremum(Registry& registry) {
  registry.add({.type = "ArgMax", .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate(context, [](auto a, auto b) { return a > b; }); },
                .traits = {.flow = ValueFlow::kNotNumeric}});
  registry.add({.type = "ArgMin", .infer = types<InferContext>,
                .evaluate = [](const EvalContext& context) { return evaluate(context, [](auto a, auto b) { return a < b; }); },
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
