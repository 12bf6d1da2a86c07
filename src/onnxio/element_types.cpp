#include "element_types.h"

#include <array>
#include <utility>

#include "qtool/support/format.h"

namespace qtool::onnxio {

namespace {

constexpr std::array<std::pair<int32_t, DType>, 16> kTypes{{
    {1, DType::kFloat32}, {2, DType::kUInt8},   {3, DType::kInt8},     {4, DType::kUInt16},
    {5, DType::kInt16},   {6, DType::kInt32},   {7, DType::kInt64},    {8, DType::kString},
    {9, DType::kBool},    {10, DType::kFloat16}, {11, DType::kFloat64}, {12, DType::kUInt32},
    {13, DType::kUInt64}, {16, DType::kBFloat16}, {kOnnxUInt4, DType::kUInt4}, {kOnnxInt4, DType::kInt4},
}};

constexpr std::array<std::pair<int32_t, const char*>, 11> kForeignNames{{
    {0, "undefined"},        {14, "complex64"},      {15, "complex128"},     {17, "float8e4m3fn"},
    {18, "float8e4m3fnuz"},  {19, "float8e5m2"},     {20, "float8e5m2fnuz"}, {23, "float4e2m1"},
    {24, "float8e8m0"},      {25, "uint2"},          {26, "int2"},
}};

}  // namespace

std::optional<DType> dtype_of_onnx(int32_t data_type) {
  for (const auto& [number, dtype] : kTypes) {
    if (number == data_type) return dtype;
  }
  return std::nullopt;
}

int32_t onnx_of_dtype(DType dtype) {
  for (const auto& [number, known] : kTypes) {
    if (known == dtype) return number;
  }
  return 0;
}

std::string onnx_type_name(int32_t data_type) {
  if (const auto dtype = dtype_of_onnx(data_type)) return std::string(dtype_name(*dtype));
  for (const auto& [number, name] : kForeignNames) {
    if (number == data_type) return name;
  }
  return format("type {}", data_type);
}

}  // namespace qtool::onnxio
