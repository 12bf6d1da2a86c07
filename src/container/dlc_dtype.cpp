#include "qtool/container/dlc_dtype.h"

#include <array>

#include "qtool/support/format.h"

namespace qtool::container {
namespace {

struct DtypeFacts {
  DlcDtype code;
  const char* name;
  uint32_t size_bytes;
  uint32_t fixed_point_bits;
};

constexpr std::array kFacts = {
    DtypeFacts{DlcDtype::kInt8, "int8", 1, 0},       DtypeFacts{DlcDtype::kInt16, "int16", 2, 0},
    DtypeFacts{DlcDtype::kInt32, "int32", 4, 0},     DtypeFacts{DlcDtype::kInt64, "int64", 8, 0},
    DtypeFacts{DlcDtype::kUInt8, "uint8", 1, 0},     DtypeFacts{DlcDtype::kUInt16, "uint16", 2, 0},
    DtypeFacts{DlcDtype::kUInt32, "uint32", 4, 0},   DtypeFacts{DlcDtype::kUInt64, "uint64", 8, 0},
    DtypeFacts{DlcDtype::kFloat16, "float16", 2, 0}, DtypeFacts{DlcDtype::kFloat32, "float32", 4, 0},
    DtypeFacts{DlcDtype::kSFixed4, "sfixed4", 1, 4}, DtypeFacts{DlcDtype::kSFixed8, "sfixed8", 1, 8},
    DtypeFacts{DlcDtype::kSFixed16, "sfixed16", 2, 16}, DtypeFacts{DlcDtype::kSFixed32, "sfixed32", 4, 32},
    DtypeFacts{DlcDtype::kUFixed4, "ufixed4", 1, 4}, DtypeFacts{DlcDtype::kUFixed8, "ufixed8", 1, 8},
    DtypeFacts{DlcDtype::kUFixed16, "ufixed16", 2, 16}, DtypeFacts{DlcDtype::kUFixed32, "ufixed32", 4, 32},
    DtypeFacts{DlcDtype::kBool, "bool", 1, 0},       DtypeFacts{DlcDtype::kString, "string", 0, 0},
    DtypeFacts{DlcDtype::kUndefined, "undefined", 0, 0},
};

const DtypeFacts* find_facts(DlcDtype dtype) {
  for (const DtypeFacts& facts : kFacts) {
    if (facts.code == dtype) return &facts;
  }
  return nullptr;
}

}  // namespace

std::string dlc_dtype_name(DlcDtype dtype) {
  const DtypeFacts* facts = find_facts(dtype);
  return facts != nullptr ? std::string(facts->name) : format("{:#x}", static_cast<uint32_t>(dtype));
}

std::optional<uint32_t> dlc_dtype_size_bytes(DlcDtype dtype) {
  const DtypeFacts* facts = find_facts(dtype);
  if (facts == nullptr || facts->size_bytes == 0) return std::nullopt;
  return facts->size_bytes;
}

uint32_t fixed_point_bits(DlcDtype dtype) {
  const DtypeFacts* facts = find_facts(dtype);
  return facts != nullptr ? facts->fixed_point_bits : 0;
}

bool is_fixed_point(DlcDtype dtype) { return fixed_point_bits(dtype) != 0; }

bool is_signed_fixed_point(DlcDtype dtype) {
  return is_fixed_point(dtype) && (static_cast<uint32_t>(dtype) >> 8) == 0x3;
}

bool is_unsigned_fixed_point(DlcDtype dtype) { return is_fixed_point(dtype) && !is_signed_fixed_point(dtype); }

}  // namespace qtool::container
