// Builders for op attributes in the forms that the QNN runtime accepts (QNN op notes, section 8).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/container/dlc_model.h"

namespace qtool::container {

[[nodiscard]] DlcAttribute u32_attribute(std::string name, uint32_t value, DlcUsage usage = DlcUsage::kParameter);
[[nodiscard]] DlcAttribute i32_attribute(std::string name, int32_t value, DlcUsage usage = DlcUsage::kParameter);
[[nodiscard]] DlcAttribute f32_attribute(std::string name, float value, DlcUsage usage = DlcUsage::kParameter);
[[nodiscard]] DlcAttribute bool_attribute(std::string name, bool value, DlcUsage usage = DlcUsage::kParameter);

// Strings are never op parameters: always supplemental.
[[nodiscard]] DlcAttribute string_attribute(std::string name, std::string value);

// `packageName` = `qti.aisw`, which genuine files carry on every op.
[[nodiscard]] DlcAttribute package_name_attribute();

// Tensor attributes; the tensor is named "<op_name>_<name>". Sizes must agree: Error(kInternal) otherwise.
[[nodiscard]] DlcAttribute u32_tensor_attribute(std::string_view op_name, std::string name,
                                                std::vector<uint32_t> dims, std::span<const uint32_t> values);
[[nodiscard]] DlcAttribute i32_tensor_attribute(std::string_view op_name, std::string name,
                                                std::vector<uint32_t> dims, std::span<const int32_t> values);

}  // namespace qtool::container
