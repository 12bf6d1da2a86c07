#include "dlc/tensor_form.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {

using container::DlcDtype;
using container::DlcEncoding;
using container::DlcEncodingEntry;
using container::DlcEncodingType;

namespace {

DlcEncodingEntry entry_of(const quant::Encoding& encoding, size_t channel, bool is_signed) {
  const quant::Grid& grid = encoding.grids[channel];
  return {.bitwidth = static_cast<uint32_t>(encoding.bits),
          .min = static_cast<float>(encoding.min(channel)),
          .max = static_cast<float>(encoding.max(channel)),
          .scale = static_cast<float>(grid.scale),
          .offset = is_signed ? 0 : static_cast<int32_t>(grid.offset),
          .is_symmetric = encoding.is_symmetric};
}

DlcDtype unsigned_storage(int bits) {
  if (bits <= 8) return DlcDtype::kUFixed8;
  return bits <= 16 ? DlcDtype::kUFixed16 : DlcDtype::kUFixed32;
}

DlcDtype signed_storage(int bits) {
  if (bits <= 8) return DlcDtype::kSFixed8;
  return bits <= 16 ? DlcDtype::kSFixed16 : DlcDtype::kSFixed32;
}

// Codes narrower than their storage need the encoding types that carry a width.
DlcEncodingType encoding_type(bool per_axis, int bits, DlcDtype storage) {
  const bool narrow = static_cast<uint32_t>(bits) != container::fixed_point_bits(storage);
  if (per_axis) return narrow ? DlcEncodingType::kBitwidthAxisScaleOffset : DlcEncodingType::kAxisScaleOffset;
  return narrow ? DlcEncodingType::kBitwidthScaleOffset : DlcEncodingType::kScaleOffset;
}

}  // namespace

bool same_form(const TensorForm& a, const TensorForm& b) {
  if (a.dtype != b.dtype || a.encoding.type != b.encoding.type || a.encoding.axis != b.encoding.axis) return false;
  return std::ranges::equal(a.encoding.entries, b.encoding.entries, [](const auto& x, const auto& y) {
    return x.scale == y.scale && x.offset == y.offset && x.bitwidth == y.bitwidth;
  });
}

bool is_fixed(const TensorForm& form) { return container::is_fixed_point(form.dtype); }

bool is_float(const TensorForm& form) {
  return form.dtype == DlcDtype::kFloat32 || form.dtype == DlcDtype::kFloat16;
}

TensorForm plain_form(DType dtype, DlcDtype float_dtype) {
  if (is_floating(dtype)) return {float_dtype, {}};
  switch (dtype) {
    case DType::kBool: return {DlcDtype::kBool, {}};
    case DType::kUInt8: return {DlcDtype::kUInt8, {}};
    case DType::kUInt16: return {DlcDtype::kUInt16, {}};
    case DType::kUInt32: case DType::kUInt64: return {DlcDtype::kUInt32, {}};
    case DType::kInt8: return {DlcDtype::kInt8, {}};
    case DType::kInt16: return {DlcDtype::kInt16, {}};
    default: return {DlcDtype::kInt32, {}};
  }
}

TensorForm activation_form(const quant::Encoding& encoding) {
  if (encoding.grids.size() != 1) {
    throw Error(ErrorCode::kInvalidModel,
                format("{} grids for an activation; the backend has one scale a tensor", encoding.grids.size()));
  }
  const DlcDtype storage = unsigned_storage(encoding.bits);
  return {storage, {.type = encoding_type(false, encoding.bits, storage), .entries = {entry_of(encoding, 0, false)}}};
}

TensorForm widened(const TensorForm& form) {
  constexpr int kStepsInStep = 257;
  QTOOL_CHECK(form.dtype == DlcDtype::kUFixed8);
  DlcEncodingEntry entry = form.encoding.entries.front();
  entry.bitwidth = 16;
  entry.scale = static_cast<float>(static_cast<double>(entry.scale) / kStepsInStep);
  entry.offset *= kStepsInStep;
  entry.min = static_cast<float>(static_cast<double>(entry.scale) * entry.offset);
  entry.max = static_cast<float>(static_cast<double>(entry.scale) * (65535 + entry.offset));
  return {DlcDtype::kUFixed16, {.type = DlcEncodingType::kScaleOffset, .entries = {entry}}};
}

TensorForm weight_form(const quant::Encoding& encoding, int32_t axis) {
  QTOOL_CHECK(!encoding.grids.empty());
  const bool is_signed = encoding.stored_signed();
  if (encoding.per_channel() && !is_signed) {
    throw Error(ErrorCode::kUnsupported,
                "per-channel weights must be symmetric for this backend; choose symmetric or per-tensor weights");
  }
  const DlcDtype storage = is_signed ? signed_storage(encoding.bits) : unsigned_storage(encoding.bits);
  TensorForm form{storage, {.type = encoding_type(encoding.per_channel(), encoding.bits, storage)}};
  if (encoding.per_channel()) form.encoding.axis = axis;
  for (size_t channel = 0; channel < encoding.grids.size(); ++channel) {
    form.encoding.entries.push_back(entry_of(encoding, channel, is_signed));
  }
  return form;
}

int64_t code_of_level(const TensorForm& form, int64_t level) {
  return level - form.encoding.entries.front().offset;
}

}  // namespace qtool::exporters::dlc
