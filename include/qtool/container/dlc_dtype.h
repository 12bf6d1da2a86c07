// Element type codes of a DLC (QNN numbering; docs: DLC container, section 7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace qtool::container {

// The high byte is the family, the low byte the width in bits, read as decimal digits. A file may hold codes
// that are not listed here: a value of this type is a code, not a promise that it is known.
enum class DlcDtype : uint32_t {
  kInt8 = 0x008, kInt16 = 0x016, kInt32 = 0x032, kInt64 = 0x064,
  kUInt8 = 0x108, kUInt16 = 0x116, kUInt32 = 0x132, kUInt64 = 0x164,
  kFloat16 = 0x216, kFloat32 = 0x232,
  kSFixed4 = 0x304, kSFixed8 = 0x308, kSFixed16 = 0x316, kSFixed32 = 0x332,
  kUFixed4 = 0x404, kUFixed8 = 0x408, kUFixed16 = 0x416, kUFixed32 = 0x432,
  kBool = 0x508,
  kString = 0x608,
  kUndefined = 0x7fffffff,  // as the kind of a scalar: a string (SNPE 2.19)
};

// "ufixed8", "float32", ...; "0x123" for a code that is not listed.
[[nodiscard]] std::string dlc_dtype_name(DlcDtype dtype);

// Bytes of one element; absent for strings, undefined and unknown codes. 4-bit codes take one byte each.
[[nodiscard]] std::optional<uint32_t> dlc_dtype_size_bytes(DlcDtype dtype);

// Fixed point: codes that mean something only together with an encoding.
[[nodiscard]] bool is_fixed_point(DlcDtype dtype);
[[nodiscard]] bool is_signed_fixed_point(DlcDtype dtype);
[[nodiscard]] bool is_unsigned_fixed_point(DlcDtype dtype);

// Width of a fixed-point code in bits; 0 for every other type.
[[nodiscard]] uint32_t fixed_point_bits(DlcDtype dtype);

}  // namespace qtool::container
