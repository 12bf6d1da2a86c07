// Clip: bounds are attributes before opset 11, inputs since. min > max gives max everywhere; NaN stays NaN.
#include <limits>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

constexpr int64_t kBoundsAreInputsSince = 11;

template <class T>
std::optional<Compute<T>> bound(const EvalContext& context, size_t slot, const char* attribute) {
  if (context.node().opset < kBoundsAreInputsSince) {
    if (!context.node().has_attribute(attribute)) return std::nullopt;
    return static_cast<Compute<T>>(context.node().attr_float(attribute, 0.0f));
  }
  const Tensor* value = context.optional_input(slot);
  if (value == nullptr) return std::nullopt;
  require_same_dtype(context, 0, slot);
  if (value->element_count() != 1) invalid_model("{} must be a scalar, found shape {}", attribute, value->shape().text());
  return static_cast<Compute<T>>(*elements<T>(*value));
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(input.type());
  dispatch_numeric(input.dtype(), [&]<class T>() {
    using C = Compute<T>;
    constexpr C kLowest = std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::lowest();
    constexpr C kHighest = std::is_floating_point_v<C> ? std::numeric_limits<C>::infinity() : std::numeric_limits<C>::max();
    const C low = bound<T>(context, 1, "min").value_or(kLowest);
    const C high = bound<T>(context, 2, "max").value_or(kHighest);
    map_elements<T, T>(input, result, [=](C x) {
      const C raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  });
  return {std::move(result)};
}

}  // namespace

void register_clip(Registry& registry) {
  registry.add({.type = "Clip",
                .first_opset = 6,
                .infer = [](const InferContext& context) -> InferredTypes {
                  require_numeric(context.dtype(0));
                  return {context.type(0)};
                },
                .evaluate = evaluate,
                .traits = {.is_activation = true}});
}

}  // namespace qtool::ops
