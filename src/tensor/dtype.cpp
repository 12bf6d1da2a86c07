#include "qtool/tensor/dtype.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool {

size_t dtype_size_bytes(DType dtype) {
  switch (dtype) {
    case DType::kFloat64: case DType::kInt64: case DType::kUInt64: return 8;
    case DType::kFloat32: case DType::kInt32: case DType::kUInt32: return 4;
    case DType::kFloat16: case DType::kBFloat16: case DType::kInt16: case DType::kUInt16: return 2;
    case DType::kInt8: case DType::kUInt8: case DType::kBool: case DType::kInt4: case DType::kUInt4: return 1;
    case DType::kString: return 0;
  }
  return 0;
}

std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kFloat16: return "float16";
    case DType::kBFloat16: return "bfloat16";
    case DType::kInt8: return "int8";
    case DType::kInt16: return "int16";
    case DType::kInt32: return "int32";
    case DType::kInt64: return "int64";
    case DType::kUInt8: return "uint8";
    case DType::kUInt16: return "uint16";
    case DType::kUInt32: return "uint32";
    case DType::kUInt64: return "uint64";
    case DType::kBool: return "bool";
    case DType::kInt4: return "int4";
    case DType::kUInt4: return "uint4";
    case DType::kString: return "string";
  }
  return "unknown";
}

bool is_floating(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

bool is_integer(DType dtype) {
  return !is_floating(dtype) && dtype != DType::kBool && dtype != DType::kString;
}

void throw_unsupported_dtype(DType dtype, std::string_view what) {
  throw Error(ErrorCode::kUnsupported, format("{} does not handle {} tensors", what, dtype_name(dtype)));
}

}  // namespace qtool
