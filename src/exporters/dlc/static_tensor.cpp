#include "dlc/static_tensor.h"

#include <algorithm>
#include <limits>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/tensor/half.h"

namespace qtool::exporters::dlc {

using container::DlcDtype;
using container::DlcTensor;

namespace {

constexpr int32_t kFormatHwio = 16;
constexpr int32_t kFormatOneDimension = 10;
constexpr int32_t kFormatUntracked = 11;

int32_t axis_format_of(size_t rank) {
  if (rank == 4) return kFormatHwio;
  return rank == 1 ? kFormatOneDimension : kFormatUntracked;
}

template <class Stored, class Source>
Bytes packed(const std::vector<Source>& values) {
  std::vector<Stored> stored;
  stored.reserve(values.size());
  for (const Source value : values) stored.push_back(static_cast<Stored>(value));
  const auto raw = std::as_bytes(std::span(stored));
  return {raw.begin(), raw.end()};
}

// Integers of every width; the caller has checked that they fit.
Bytes packed_integers(const std::vector<int64_t>& values, DlcDtype dtype) {
  switch (container::dlc_dtype_size_bytes(dtype).value_or(0)) {
    case 1: return packed<int8_t>(values);
    case 2: return packed<int16_t>(values);
    case 4: return packed<int32_t>(values);
    default: throw Error(ErrorCode::kInternal, format("no static tensor of {}", container::dlc_dtype_name(dtype)));
  }
}

Bytes packed_floats(const std::vector<float>& values, DlcDtype dtype) {
  if (dtype == DlcDtype::kFloat32) return packed<float>(values);
  std::vector<uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) halves.push_back(float_to_half_bits(value));
  return packed<uint16_t>(halves);
}

void check_fits(const std::vector<int64_t>& values, const std::string& name) {
  const auto fits = [](int64_t v) {
    return v >= std::numeric_limits<int32_t>::min() && v <= std::numeric_limits<uint32_t>::max();
  };
  if (!std::ranges::all_of(values, fits)) {
    throw Error(ErrorCode::kUnsupported, "a constant holds integers beyond 32 bits, which the backend does not have")
        .with("tensor", name);
  }
}

DlcTensor empty_static(std::string name, const StaticLayout& layout, TensorForm form) {
  DlcTensor result;
  result.name = std::move(name);
  result.location = container::DlcLocation::kStatic;
  result.dims = layout.dims;
  result.axis_format = axis_format_of(layout.dims.size());
  result.dtype = form.dtype;
  result.encoding = std::move(form.encoding);
  return result;
}

}  // namespace

StaticLayout permuted_layout(const Shape& shape, const AxisOrder& permutation) {
  return {shape.dims(), permutation, stored_dims(shape, permutation)};
}

StaticLayout reshaped_layout(const Shape& shape, std::vector<uint32_t> dims) {
  return {shape.dims(), onnx_order(shape.rank()), std::move(dims)};
}

DlcTensor plain_static(std::string name, const Tensor& tensor, const StaticLayout& layout, DlcDtype dtype) {
  DlcTensor result = empty_static(std::move(name), layout, {dtype, {}});
  if (dtype == DlcDtype::kFloat32 || dtype == DlcDtype::kFloat16) {
    result.data = packed_floats(permuted(tensor.to_float(), layout.view, layout.permutation), dtype);
  } else {
    const std::vector<int64_t> values = tensor.to_int64();
    check_fits(values, result.name);
    result.data = packed_integers(permuted(values, layout.view, layout.permutation), dtype);
  }
  return result;
}

DlcTensor quantized_static(std::string name, const Tensor& tensor, const StaticLayout& layout,
                           const quant::Encoding& encoding, const TensorForm& form) {
  std::vector<int64_t> codes = quant::quantize_levels(tensor, encoding);
  for (int64_t& code : codes) code = code_of_level(form, code);
  DlcTensor result = empty_static(std::move(name), layout, form);
  result.data = packed_integers(permuted(codes, layout.view, layout.permutation), form.dtype);
  return result;
}

}  // namespace qtool::exporters::dlc
