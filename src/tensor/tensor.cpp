#include "qtool/tensor/tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool {

namespace {

constexpr size_t kAlignment = 64;

size_t whole_lines(size_t size_bytes) { return std::max<size_t>((size_bytes + kAlignment - 1) / kAlignment, 1) * kAlignment; }

std::shared_ptr<void> allocate(size_t size_bytes) {
  void* memory = std::aligned_alloc(kAlignment, whole_lines(size_bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, std::free};
}

std::shared_ptr<void> allocate_zeroed(size_t size_bytes) {
  std::shared_ptr<void> memory = allocate(size_bytes);
  std::memset(memory.get(), 0, whole_lines(size_bytes));
  return memory;
}

template <class To, class From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<float>(value) != 0.0f;
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), element_count_(shape_.element_count()) {
  owner_ = allocate_zeroed(size_bytes());
  data_ = owner_.get();
}

Tensor Tensor::borrow(DType dtype, Shape shape, void* data) {
  Tensor result;
  result.dtype_ = dtype;
  result.shape_ = std::move(shape);
  result.element_count_ = result.shape_.element_count();
  result.data_ = data;
  return result;
}

Tensor Tensor::clone() const {
  Tensor copy = *this;
  copy.owner_ = allocate(size_bytes());
  copy.data_ = copy.owner_.get();
  if (size_bytes() > 0) std::memcpy(copy.data_, data_, size_bytes());
  return copy;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (shape.element_count() != element_count_) {
    throw Error(ErrorCode::kInvalidModel, format("cannot view {} as {}: element counts differ", shape_.text(), shape.text()));
  }
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result(dtype, shape_);
  dispatch_dtype(dtype_, [&]<class From>() {
    const From* source = static_cast<const From*>(data_);
    dispatch_dtype(dtype, [&]<class To>() {
      To* target = static_cast<To*>(result.data_);
      for (int64_t i = 0; i < element_count_; ++i) target[i] = convert_element<To>(source[i]);
    });
  });
  return result;
}

std::vector<int64_t> Tensor::to_int64() const {
  const Tensor wide = cast(DType::kInt64);
  const auto values = wide.data<int64_t>();
  return {values.begin(), values.end()};
}

std::vector<float> Tensor::to_float() const {
  const Tensor wide = cast(DType::kFloat32);
  const auto values = wide.data<float>();
  return {values.begin(), values.end()};
}

bool Tensor::identical(const Tensor& other) const {
  return dtype_ == other.dtype_ && shape_ == other.shape_ &&
         (size_bytes() == 0 || std::memcmp(data_, other.data_, size_bytes()) == 0);
}

void Tensor::check_type(DType requested) const {
  const bool same_storage = requested == dtype_ || (requested == DType::kInt8 && dtype_ == DType::kInt4) ||
                            (requested == DType::kUInt8 && dtype_ == DType::kUInt4);
  if (!same_storage) {
    throw Error(ErrorCode::kInternal, format("tensor of {} read as {}", dtype_name(dtype_), dtype_name(requested)));
  }
}

}  // namespace qtool
