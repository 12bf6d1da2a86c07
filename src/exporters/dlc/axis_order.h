// How the axes of an ONNX value lie in the stored tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "qtool/tensor/shape.h"

namespace qtool::exporters::dlc {

// order[i]: the ONNX axis that lies at position i of the stored tensor.
using AxisOrder = std::vector<size_t>;

[[nodiscard]] AxisOrder onnx_order(size_t rank);
[[nodiscard]] AxisOrder channels_last(size_t rank);  // 0, 2, 3, ..., 1; the ONNX order below rank 3
[[nodiscard]] bool is_onnx_order(const AxisOrder& order);
[[nodiscard]] AxisOrder with_axis_last(const AxisOrder& order, size_t axis);

[[nodiscard]] std::vector<uint32_t> stored_dims(const Shape& shape, const AxisOrder& order);
[[nodiscard]] size_t position_of(const AxisOrder& order, size_t axis);

// What a Transpose needs to bring `from` into `to`: to[i] == from[result[i]].
[[nodiscard]] AxisOrder permutation_between(const AxisOrder& from, const AxisOrder& to);

// True when both orders give the same bytes: they differ only in where axes of extent 1 lie.
[[nodiscard]] bool same_memory(const Shape& shape, const AxisOrder& a, const AxisOrder& b);

// ".nhwc", ".nchw", ".nwc", ...: what converters append to the name of a re-ordered copy.
[[nodiscard]] const char* order_suffix(const AxisOrder& order);

// Row-major elements of `dims` re-ordered: the result has the extent dims[permutation[i]] at axis i.
template <class T>
[[nodiscard]] std::vector<T> permuted(const std::vector<T>& values, const std::vector<int64_t>& dims,
                                      const AxisOrder& permutation) {
  const std::vector<int64_t> strides = Shape(dims).strides();
  std::vector<T> result;
  result.reserve(values.size());
  std::vector<int64_t> index(dims.size(), 0);
  int64_t source = 0;
  for (size_t done = 0; done < values.size(); ++done) {
    result.push_back(values[static_cast<size_t>(source)]);
    for (size_t axis = dims.size(); axis-- > 0;) {
      const size_t from = permutation[axis];
      source += strides[from];
      if (++index[axis] < dims[from]) break;
      source -= index[axis] * strides[from];
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace qtool::exporters::dlc
