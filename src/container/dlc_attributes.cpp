#include "qtool/container/dlc_attributes.h"

#include <cstring>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

// Axis formats as genuine files state them: one-dimensional, and the pair of pads.
constexpr int32_t kAxisFormatOneDimension = 10;
constexpr int32_t kAxisFormatPadPairs = 8;
constexpr int32_t kAxisFormatUntracked = 11;

int32_t axis_format_of(const std::vector<uint32_t>& dims) {
  if (dims.size() == 1) return kAxisFormatOneDimension;
  return dims.size() == 2 && dims[0] == 2 && dims[1] == 2 ? kAxisFormatPadPairs : kAxisFormatUntracked;
}

DlcAttribute scalar(std::string name, DlcUsage usage, DlcScalar value) {
  return {std::move(name), usage, std::move(value)};
}

template <class T>
DlcAttribute tensor(std::string_view op_name, std::string name, DlcDtype dtype, std::vector<uint32_t> dims,
                    std::span<const T> values) {
  QTOOL_CHECK(dlc_element_count(dims) == values.size());
  DlcTensor result;
  result.name = format("{}_{}", op_name, name);
  result.location = DlcLocation::kStatic;
  result.axis_format = axis_format_of(dims);
  result.dims = std::move(dims);
  result.dtype = dtype;
  result.source_dtype = dtype;
  const auto bytes = std::as_bytes(values);  // the supported hosts are little endian, as the file
  result.data.assign(bytes.begin(), bytes.end());
  return {std::move(name), DlcUsage::kParameter, std::move(result)};
}

}  // namespace

DlcAttribute u32_attribute(std::string name, uint32_t value, DlcUsage usage) {
  return scalar(std::move(name), usage, {.kind = DlcDtype::kUInt32, .integer = value});
}

DlcAttribute i32_attribute(std::string name, int32_t value, DlcUsage usage) {
  return scalar(std::move(name), usage, {.kind = DlcDtype::kInt32, .integer = value});
}

DlcAttribute f32_attribute(std::string name, float value, DlcUsage usage) {
  return scalar(std::move(name), usage, {.kind = DlcDtype::kFloat32, .real = value});
}

DlcAttribute bool_attribute(std::string name, bool value, DlcUsage usage) {
  return scalar(std::move(name), usage, {.kind = DlcDtype::kBool, .integer = value ? 1 : 0});
}

DlcAttribute string_attribute(std::string name, std::string value) {
  return scalar(std::move(name), DlcUsage::kSupplemental, {.kind = DlcDtype::kUndefined, .text = std::move(value)});
}

DlcAttribute package_name_attribute() { return string_attribute("packageName", "qti.aisw"); }

DlcAttribute u32_tensor_attribute(std::string_view op_name, std::string name, std::vector<uint32_t> dims,
                                  std::span<const uint32_t> values) {
  return tensor(op_name, std::move(name), DlcDtype::kUInt32, std::move(dims), values);
}

DlcAttribute i32_tensor_attribute(std::string_view op_name, std::string name, std::vector<uint32_t> dims,
                                  std::span<const int32_t> values) {
  return tensor(op_name, std::move(name), DlcDtype::kInt32, std::move(dims), values);
}

}  // namespace qtool::container
