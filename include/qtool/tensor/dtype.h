// Element types. 4-bit integers are held unpacked, one element a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "qtool/tensor/half.h"

namespace qtool {

enum class DType : uint8_t {
  kFloat32, kFloat64, kFloat16, kBFloat16,
  kInt8, kInt16, kInt32, kInt64,
  kUInt8, kUInt16, kUInt32, kUInt64,
  kBool, kInt4, kUInt4, kString,
};

[[nodiscard]] size_t dtype_size_bytes(DType dtype);
[[nodiscard]] std::string_view dtype_name(DType dtype);
[[nodiscard]] bool is_floating(DType dtype);
[[nodiscard]] bool is_integer(DType dtype);  // signed or unsigned, bool not included

// C++ type -> DType. int8_t also stands for kInt4 and uint8_t for kUInt4 storage; bool is stored as bool.
template <class T> struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::kFloat32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::kFloat64; };
template <> struct DTypeOf<Half> { static constexpr DType value = DType::kFloat16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::kBFloat16; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::kInt8; };
template <> struct DTypeOf<int16_t> { static constexpr DType value = DType::kInt16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::kInt32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::kInt64; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::kUInt8; };
template <> struct DTypeOf<uint16_t> { static constexpr DType value = DType::kUInt16; };
template <> struct DTypeOf<uint32_t> { static constexpr DType value = DType::kUInt32; };
template <> struct DTypeOf<uint64_t> { static constexpr DType value = DType::kUInt64; };
template <> struct DTypeOf<bool> { static constexpr DType value = DType::kBool; };

[[noreturn]] void throw_unsupported_dtype(DType dtype, std::string_view what);

// Calls fn.template operator()<T>() with the storage type of `dtype`. Strings throw Error(kUnsupported).
template <class Fn>
decltype(auto) dispatch_dtype(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::kFloat32: return fn.template operator()<float>();
    case DType::kFloat64: return fn.template operator()<double>();
    case DType::kFloat16: return fn.template operator()<Half>();
    case DType::kBFloat16: return fn.template operator()<BFloat16>();
    case DType::kInt8: case DType::kInt4: return fn.template operator()<int8_t>();
    case DType::kInt16: return fn.template operator()<int16_t>();
    case DType::kInt32: return fn.template operator()<int32_t>();
    case DType::kInt64: return fn.template operator()<int64_t>();
    case DType::kUInt8: case DType::kUInt4: return fn.template operator()<uint8_t>();
    case DType::kUInt16: return fn.template operator()<uint16_t>();
    case DType::kUInt32: return fn.template operator()<uint32_t>();
    case DType::kUInt64: return fn.template operator()<uint64_t>();
    case DType::kBool: return fn.template operator()<bool>();
    case DType::kString: break;
  }
  throw_unsupported_dtype(dtype, "this operation");
}

}  // namespace qtool
