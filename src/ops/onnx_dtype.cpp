#include "onnx_dtype.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

DType dtype_from_onnx(int64_t code) {
  switch (code) {
    case 1: return DType::kFloat32;
    case 2: return DType::kUInt8;
    case 3: return DType::kInt8;
    case 4: return DType::kUInt16;
    case 5: return DType::kInt16;
    case 6: return DType::kInt32;
    case 7: return DType::kInt64;
    case 8: return DType::kString;
    case 9: return DType::kBool;
    case 10: return DType::kFloat16;
    case 11: return DType::kFloat64;
    case 12: return DType::kUInt32;
    case 13: return DType::kUInt64;
    case 16: return DType::kBFloat16;
    case 21: return DType::kUInt4;
    case 22: return DType::kInt4;
    default: break;
  }
  if (code < 1 || code > 27) throw Error(ErrorCode::kInvalidModel, format("{} is not an ONNX element type", code));
  throw Error(ErrorCode::kUnsupported, format("ONNX element type {} (complex or a small float) is not supported", code));
}

}  // namespace qtool::ops
