// A dense row-major tensor: dtype, shape and a shared buffer. Copying a Tensor shares the buffer; treat a shared
// tensor as immutable and use clone() before writing to one you did not just create.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "qtool/tensor/dtype.h"
#include "qtool/tensor/shape.h"

namespace qtool {

struct TensorType {
  DType dtype = DType::kFloat32;
  Shape shape;
  bool operator==(const TensorType&) const = default;
};

class Tensor {
 public:
  Tensor() = default;  // float32, shape [0], no storage

  // Zero-initialised storage, 64-byte aligned.
  Tensor(DType dtype, Shape shape);
  explicit Tensor(const TensorType& type) : Tensor(type.dtype, type.shape) {}

  template <class T>
  static Tensor from(Shape shape, std::span<const T> values);
  template <class T>
  static Tensor from(Shape shape, std::initializer_list<T> values) {
    return from<T>(std::move(shape), std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static Tensor scalar(T value) { return from<T>(Shape{}, {value}); }

  // A tensor over memory that somebody else owns and keeps alive.
  static Tensor borrow(DType dtype, Shape shape, void* data);

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] TensorType type() const { return {dtype_, shape_}; }
  [[nodiscard]] int64_t element_count() const { return element_count_; }
  [[nodiscard]] size_t size_bytes() const { return static_cast<size_t>(element_count_) * dtype_size_bytes(dtype_); }
  [[nodiscard]] bool empty() const { return element_count_ == 0; }

  [[nodiscard]] const void* raw() const { return data_; }
  [[nodiscard]] void* mutable_raw() { return data_; }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(data_), size_bytes()};
  }

  // Throws Error(kInternal) when T is not the storage type of dtype().
  template <class T>
  [[nodiscard]] std::span<const T> data() const {
    check_type(DTypeOf<T>::value);
    return {static_cast<const T*>(data_), static_cast<size_t>(element_count_)};
  }
  template <class T>
  [[nodiscard]] std::span<T> mutable_data() {
    check_type(DTypeOf<T>::value);
    return {static_cast<T*>(data_), static_cast<size_t>(element_count_)};
  }

  [[nodiscard]] Tensor clone() const;
  // Same buffer, other shape with the same element count.
  [[nodiscard]] Tensor reshaped(Shape shape) const;
  // Element-wise conversion (float to integer truncates, as ONNX Cast does).
  [[nodiscard]] Tensor cast(DType dtype) const;
  // All elements as int64 / float, whatever the numeric dtype; for shapes, axes, scales.
  [[nodiscard]] std::vector<int64_t> to_int64() const;
  [[nodiscard]] std::vector<float> to_float() const;

  // Equal dtype, shape and bytes.
  [[nodiscard]] bool identical(const Tensor& other) const;

 private:
  void check_type(DType requested) const;

  DType dtype_ = DType::kFloat32;
  Shape shape_{0};
  int64_t element_count_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<void> owner_;
};

template <class T>
Tensor Tensor::from(Shape shape, std::span<const T> values) {
  Tensor result(DTypeOf<T>::value, std::move(shape));
  auto target = result.mutable_data<T>();
  if (values.size() != target.size()) throw_unsupported_dtype(result.dtype(), "Tensor::from with a wrong value count");
  std::copy(values.begin(), values.end(), target.begin());
  return result;
}

}  // namespace qtool
