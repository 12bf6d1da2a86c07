// TensorProto.DataType numbers <-> DType. The library's enum ends at BFLOAT16 (16); later numbers are written out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "qtool/tensor/dtype.h"

namespace qtool::onnxio {

inline constexpr int32_t kOnnxUInt4 = 21;
inline constexpr int32_t kOnnxInt4 = 22;

// nullopt for types that no tensor of ours can hold (complex, float8, ...).
[[nodiscard]] std::optional<DType> dtype_of_onnx(int32_t data_type);
[[nodiscard]] int32_t onnx_of_dtype(DType dtype);
// "float8e4m3fn", "complex64", "type 99"
[[nodiscard]] std::string onnx_type_name(int32_t data_type);

}  // namespace qtool::onnxio
