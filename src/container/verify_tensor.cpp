#include <algorithm>
#include <cmath>

#include "qtool/support/format.h"
#include "verify_parts.h"

namespace qtool::container {
namespace {

void verify_shape_and_bytes(const DlcTensor& tensor) {
  const auto element = dlc_dtype_size_bytes(tensor.dtype);
  if (!element) refuse_tensor(tensor, format("type {} cannot be stored in a tensor", dlc_dtype_name(tensor.dtype)));
  if (tensor.dtype == DlcDtype::kSFixed4 || tensor.dtype == DlcDtype::kUFixed4) {
    refuse_tensor(tensor, "4-bit types are refused by the runtime; store 4-bit codes as sfixed8 with an encoding of bitwidth 4");
  }
  if (std::ranges::find(tensor.dims, 0u) != tensor.dims.end()) {
    refuse_tensor(tensor, format("dims [{}] contain a zero; a DLC has fixed shapes", join(tensor.dims, ",")));
  }
  const uint64_t count = dlc_element_count(tensor.dims);
  if (tensor.location != DlcLocation::kStatic) {
    if (!tensor.data.empty()) refuse_tensor(tensor, "only static tensors have bytes");
    return;
  }
  // Too few bytes are not noticed by the runtime: it reads the memory behind them.
  if (tensor.data.size() % *element != 0 || tensor.data.size() / *element != count) {
    refuse_tensor(tensor, format("{} bytes for dims [{}] of {}; expected {} elements of {} bytes", tensor.data.size(),
                                 join(tensor.dims, ","), dlc_dtype_name(tensor.dtype), count, *element));
  }
}

// Width of the codes: of the storage type, unless the encoding type carries a width of its own.
uint32_t code_bits(const DlcTensor& tensor, const DlcEncodingEntry& entry) {
  const bool own = tensor.encoding.type == DlcEncodingType::kBitwidthScaleOffset ||
                   tensor.encoding.type == DlcEncodingType::kBitwidthAxisScaleOffset;
  const uint32_t storage = fixed_point_bits(tensor.dtype);
  if (!own) return storage;
  if (entry.bitwidth < 2 || entry.bitwidth > storage) {
    refuse_tensor(tensor, format("encoding bitwidth {} does not fit {}", entry.bitwidth, dlc_dtype_name(tensor.dtype)));
  }
  return entry.bitwidth;
}

// real = scale x (code + offset): the code of 0.0 is -offset and must be one of the codes.
void verify_offset(const DlcTensor& tensor, const DlcEncodingEntry& entry) {
  const uint32_t bits = code_bits(tensor, entry);
  const int64_t span = int64_t{1} << bits;
  const bool is_signed = is_signed_fixed_point(tensor.dtype);
  const int64_t lowest = is_signed ? -(span / 2 - 1) : -(span - 1);
  const int64_t highest = is_signed ? span / 2 : 0;
  if (entry.offset < lowest || entry.offset > highest) {
    refuse_tensor(tensor, format("offset {} is outside {} to {} (the negated zero point of {}-bit {} codes)", entry.offset,
                                 lowest, highest, bits, is_signed ? "signed" : "unsigned"));
  }
}

void verify_entry(const DlcTensor& tensor, const DlcEncodingEntry& entry) {
  if (!std::isfinite(entry.scale) || entry.scale <= 0) refuse_tensor(tensor, format("scale {} is not a positive finite number", entry.scale));
  if (!std::isfinite(entry.min) || !std::isfinite(entry.max)) refuse_tensor(tensor, format("range [{}, {}] is not finite", entry.min, entry.max));
  verify_offset(tensor, entry);
}

void verify_channels(const DlcTensor& tensor) {
  const DlcEncoding& encoding = tensor.encoding;
  if (encoding.axis < 0 || static_cast<size_t>(encoding.axis) >= tensor.dims.size()) {
    refuse_tensor(tensor, format("encoding axis {} of a tensor with {} dims", encoding.axis, tensor.dims.size()));
  }
  const uint32_t channels = tensor.dims[static_cast<size_t>(encoding.axis)];
  if (encoding.entries.size() != channels) {
    refuse_tensor(tensor, format("{} encodings for {} channels (axis {})", encoding.entries.size(), channels, encoding.axis));
  }
  for (const DlcEncodingEntry& entry : encoding.entries) {
    if (entry.offset != 0) refuse_tensor(tensor, format("per-channel encodings must be symmetric; found offset {}", entry.offset));
    if (entry.bitwidth != encoding.entries.front().bitwidth) refuse_tensor(tensor, "channels differ in bitwidth");
  }
}

void verify_encoding(const DlcTensor& tensor) {
  const DlcEncoding& encoding = tensor.encoding;
  if (encoding.type == DlcEncodingType::kNone) {
    // The runtime would compute with whatever scale it finds.
    if (is_fixed_point(tensor.dtype)) refuse_tensor(tensor, format("{} needs an encoding", dlc_dtype_name(tensor.dtype)));
    if (!encoding.entries.empty()) refuse_tensor(tensor, "encoding entries without an encoding type");
    return;
  }
  if (!is_fixed_point(tensor.dtype)) refuse_tensor(tensor, format("{} has no use for an encoding", dlc_dtype_name(tensor.dtype)));
  if (encoding.is_per_axis()) {
    verify_channels(tensor);
  } else if (!encoding.is_per_tensor()) {
    refuse_tensor(tensor, format("encodings of type {} cannot be written", static_cast<uint32_t>(encoding.type)));
  } else if (encoding.entries.size() != 1) {
    refuse_tensor(tensor, format("{} entries in a per-tensor encoding", encoding.entries.size()));
  }
  for (const DlcEncodingEntry& entry : encoding.entries) verify_entry(tensor, entry);
}

// One code a byte. Genuine files clear the upper half of 4-bit codes, others extend the sign: both read alike.
// Anything else means that two codes were packed, which the runtime accepts and misreads.
void verify_narrow_codes(const DlcTensor& tensor) {
  if (tensor.location != DlcLocation::kStatic || !is_fixed_point(tensor.dtype) || tensor.encoding.entries.empty()) return;
  const uint32_t bits = code_bits(tensor, tensor.encoding.entries.front());
  if (bits >= fixed_point_bits(tensor.dtype) || fixed_point_bits(tensor.dtype) != 8) return;
  const int lowest = is_signed_fixed_point(tensor.dtype) ? -(1 << (bits - 1)) : 0;
  const int highest = (1 << bits) - 1;
  for (const std::byte byte : tensor.data) {
    const int code = is_signed_fixed_point(tensor.dtype) ? static_cast<int8_t>(byte) : static_cast<uint8_t>(byte);
    if (code < lowest || code > highest) refuse_tensor(tensor, format("code {} does not fit {} bits; store one code a byte", code, bits));
  }
}

}  // namespace

void verify_graph_tensor(const DlcTensor& tensor) {
  if (tensor.name.empty()) refuse("a tensor has no name");
  switch (tensor.location) {
    case DlcLocation::kGraphInput: case DlcLocation::kGraphOutput: case DlcLocation::kNative: case DlcLocation::kStatic: break;
    default: refuse_tensor(tensor, format("unknown location {}", static_cast<int32_t>(tensor.location)));
  }
  verify_shape_and_bytes(tensor);
  verify_encoding(tensor);
  verify_narrow_codes(tensor);
}

void verify_attribute_tensor(const DlcTensor& tensor) {
  if (tensor.name.empty()) refuse("an attribute tensor has no name");
  if (tensor.location != DlcLocation::kStatic) refuse_tensor(tensor, "attribute tensors must be static");
  verify_shape_and_bytes(tensor);
  verify_encoding(tensor);
}

bool means_the_same(const DlcTensor& a, const DlcTensor& b) {
  if (a.dtype != b.dtype || a.encoding.type != b.encoding.type) return false;
  if (a.encoding.is_per_axis() && a.encoding.axis != b.encoding.axis) return false;
  const bool with_bits = a.encoding.type == DlcEncodingType::kBitwidthScaleOffset ||
                         a.encoding.type == DlcEncodingType::kBitwidthAxisScaleOffset;
  return std::ranges::equal(a.encoding.entries, b.encoding.entries, [&](const auto& x, const auto& y) {
    return x.scale == y.scale && x.offset == y.offset && (!with_bits || x.bitwidth == y.bitwidth);
  });
}

}  // namespace qtool::container
