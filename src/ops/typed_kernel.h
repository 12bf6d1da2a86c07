// Type dispatch for kernels that serve a part of the element types, and the types they compute in.
#pragma once

#include <cstdint>
#include <type_traits>

#include "operands.h"

namespace qtool::ops {

template <class T>
inline constexpr bool kIsSmallFloat = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T> || kIsSmallFloat<T>;

// What one element is computed in: 16-bit floats widen to float, everything else stays.
template <class T>
using Compute = std::conditional_t<kIsSmallFloat<T>, float, T>;
// What sums run in: double for floating point; 64-bit two's complement for integers, so that the narrowing at the
// end wraps as the element type would.
template <class T>
using Accumulator = std::conditional_t<kIsFloat<T>, double, uint64_t>;

// Two's complement arithmetic without the undefined behaviour of signed overflow.
template <class T>
constexpr T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return a + b;
}
template <class T>
constexpr T wrapping_subtract(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else return a - b;
}
template <class T>
constexpr T wrapping_multiply(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}

template <class T>
const T* elements(const Tensor& tensor) { return static_cast<const T*>(tensor.raw()); }
template <class T>
T* mutable_elements(Tensor& tensor) { return static_cast<T*>(tensor.mutable_raw()); }

inline void require_floating(DType dtype) {
  if (!is_floating(dtype)) invalid_model("expected a floating-point tensor, found {}", dtype_name(dtype));
}
inline void require_integer(DType dtype) {
  if (!is_integer(dtype)) invalid_model("expected an integer tensor, found {}", dtype_name(dtype));
}
inline void require_numeric(DType dtype) {
  if (!is_integer(dtype) && !is_floating(dtype)) invalid_model("expected a numeric tensor, found {}", dtype_name(dtype));
}
inline void require_dtype(DType dtype, DType expected) {
  if (dtype != expected) invalid_model("expected a {} tensor, found {}", dtype_name(expected), dtype_name(dtype));
}

// fn.template operator()<T>() for floating-point element types only.
template <class Fn>
void dispatch_floating(DType dtype, Fn&& fn) {
  require_floating(dtype);
  switch (dtype) {
    case DType::kFloat64: return fn.template operator()<double>();
    case DType::kFloat16: return fn.template operator()<Half>();
    case DType::kBFloat16: return fn.template operator()<BFloat16>();
    default: return fn.template operator()<float>();
  }
}

template <class Fn>
void dispatch_integer(DType dtype, Fn&& fn) {
  require_integer(dtype);
  dispatch_dtype(dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) fn.template operator()<T>();
  });
}

// Integers and floating point, not bool.
template <class Fn>
void dispatch_numeric(DType dtype, Fn&& fn) {
  require_numeric(dtype);
  dispatch_dtype(dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) fn.template operator()<T>();
  });
}

// For kernels that only move elements: an unsigned type of the element's size. Strings throw Error(kUnsupported).
template <class Fn>
void dispatch_element_size(DType dtype, Fn&& fn) {
  switch (dtype_size_bytes(dtype)) {
    case 1: return fn.template operator()<uint8_t>();
    case 2: return fn.template operator()<uint16_t>();
    case 4: return fn.template operator()<uint32_t>();
    case 8: return fn.template operator()<uint64_t>();
    default: throw_unsupported_dtype(dtype, "this operation");
  }
}

// result[i] = fn(input[i]) with In and Out as storage types.
template <class In, class Out, class Fn>
void map_elements(const Tensor& input, Tensor& result, Fn fn) {
  const In* source = elements<In>(input);
  Out* target = mutable_elements<Out>(result);
  const int64_t count = input.element_count();
  for (int64_t i = 0; i < count; ++i) target[i] = static_cast<Out>(fn(static_cast<Compute<In>>(source[i])));
}

}  // namespace qtool::ops
