#include "element_cast.h"

namespace qtool::ops {

namespace {

void wrap_to_four_bits(Tensor& tensor) {
  auto* bytes = mutable_elements<uint8_t>(tensor);
  const bool is_signed = tensor.dtype() == DType::kInt4;
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    const uint8_t low = bytes[i] & 0x0F;
    bytes[i] = is_signed && (low & 0x08) ? static_cast<uint8_t>(low | 0xF0) : low;
  }
}

}  // namespace

Tensor cast_tensor(const Tensor& source, DType dtype) {
  if (dtype == source.dtype()) return source;
  Tensor result(dtype, source.shape());
  const int64_t count = source.element_count();
  dispatch_dtype(source.dtype(), [&]<class From>() {
    const From* from = elements<From>(source);
    dispatch_dtype(dtype, [&]<class To>() {
      To* to = mutable_elements<To>(result);
      for (int64_t i = 0; i < count; ++i) to[i] = cast_element<To>(from[i]);
    });
  });
  if (dtype == DType::kInt4 || dtype == DType::kUInt4) wrap_to_four_bits(result);
  return result;
}

}  // namespace qtool::ops
