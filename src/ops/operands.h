// The same questions asked of a shape rule's context (types, constants) and of a kernel's context (tensors), so
// that one template can serve both and a shape rule cannot drift away from its kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ops/op_def.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

inline const Shape& operand_shape(const InferContext& context, size_t slot) { return context.shape(slot); }
inline const Shape& operand_shape(const EvalContext& context, size_t slot) { return context.input(slot).shape(); }

inline DType operand_dtype(const InferContext& context, size_t slot) { return context.dtype(slot); }
inline DType operand_dtype(const EvalContext& context, size_t slot) { return context.input(slot).dtype(); }

template <class Context>
[[nodiscard]] TensorType operand_type(const Context& context, size_t slot) {
  return {operand_dtype(context, slot), operand_shape(context, slot)};
}

// The value of an input where it is known already; nullptr when left out or not known yet.
inline const Tensor* known_operand(const InferContext& context, size_t slot) { return context.constant(slot); }
inline const Tensor* known_operand(const EvalContext& context, size_t slot) { return context.optional_input(slot); }

template <class... Args>
[[noreturn]] void invalid_model(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorCode::kInvalidModel, format(text, std::forward<Args>(args)...));
}

template <class Context>
void require_same_dtype(const Context& context, size_t first, size_t second) {
  if (operand_dtype(context, first) != operand_dtype(context, second)) {
    invalid_model("inputs {} and {} must have one type, found {} and {}", first, second,
                  dtype_name(operand_dtype(context, first)), dtype_name(operand_dtype(context, second)));
  }
}

// A list of integers that is an attribute in older models and an input in newer ones.
struct IntList {
  enum class State : uint8_t { kAbsent, kUnknown, kKnown };
  State state = State::kAbsent;
  std::vector<int64_t> values;

  [[nodiscard]] bool absent() const { return state == State::kAbsent; }
  [[nodiscard]] bool unknown() const { return state == State::kUnknown; }
};

template <class Context>
[[nodiscard]] IntList int_list_input(const Context& context, size_t slot) {
  if (!context.has_input(slot)) return {};
  const Tensor* value = known_operand(context, slot);
  if (value == nullptr) return {IntList::State::kUnknown, {}};
  return {IntList::State::kKnown, value->to_int64()};
}

template <class Context>
[[nodiscard]] IntList int_list(const Context& context, std::string_view attribute, size_t slot, int64_t input_since) {
  if (context.node().opset >= input_since) return int_list_input(context, slot);
  if (!context.node().has_attribute(attribute)) return {};
  return {IntList::State::kKnown, context.node().attr_ints(attribute)};
}

// The only element of a known tensor.
[[nodiscard]] inline int64_t single_int(const Tensor& tensor, std::string_view what) {
  if (tensor.element_count() != 1) invalid_model("{} must have one element, found shape {}", what, tensor.shape().text());
  return tensor.to_int64().front();
}

// Output types of a kernel whose inputs are at hand; every shape must be known by then.
[[nodiscard]] inline const TensorType& settled(const InferredTypes& types, size_t slot = 0) {
  QTOOL_CHECK(slot < types.size() && types[slot].has_value());
  return *types[slot];
}

}  // namespace qtool::ops
