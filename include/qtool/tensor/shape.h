// Dimensions of a tensor, outermost first. A Shape is always fully known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace qtool {

class Shape {
 public:
  Shape() = default;  // rank 0: a scalar with one element
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  [[nodiscard]] size_t rank() const { return dims_.size(); }
  [[nodiscard]] int64_t operator[](size_t i) const { return dims_[i]; }
  [[nodiscard]] int64_t& operator[](size_t i) { return dims_[i]; }
  [[nodiscard]] const std::vector<int64_t>& dims() const { return dims_; }
  [[nodiscard]] auto begin() const { return dims_.begin(); }
  [[nodiscard]] auto end() const { return dims_.end(); }
  bool operator==(const Shape&) const = default;

  // Product of the dimensions; throws Error(kInvalidModel) on overflow or a negative dimension.
  [[nodiscard]] int64_t element_count() const;
  // Product of dims[first..last).
  [[nodiscard]] int64_t span_count(size_t first, size_t last) const;
  // Maps -rank..rank-1 to 0..rank-1; throws Error(kInvalidModel) outside.
  [[nodiscard]] size_t normalize_axis(int64_t axis) const;
  // Row-major strides in elements.
  [[nodiscard]] std::vector<int64_t> strides() const;
  [[nodiscard]] std::string text() const;  // "[1, 3, 224, 224]"

 private:
  std::vector<int64_t> dims_;
};

// Numpy broadcasting of two shapes; throws Error(kInvalidModel) when they do not match.
[[nodiscard]] Shape broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace qtool
