// Walks N operands over one index space, each with its own element strides: broadcasting (stride 0), transposed
// and sliced views (any stride, negative too), reductions (stride 0 on the result). Dimensions of size 1 are
// dropped and neighbours merged, so that the inner run is as long as the strides allow.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/tensor/shape.h"

namespace qtool::ops {

template <size_t N>
class StridedLoop {
 public:
  using Offsets = std::array<int64_t, N>;

  StridedLoop(const std::vector<int64_t>& dims, const std::array<std::vector<int64_t>, N>& strides) {
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] == 1) continue;
      if (dims[d] == 0) empty_ = true;
      Offsets steps;
      for (size_t k = 0; k < N; ++k) steps[k] = strides[k][d];
      if (!dims_.empty() && continues(steps, dims[d])) {
        dims_.back() *= dims[d];
        steps_.back() = steps;
      } else {
        dims_.push_back(dims[d]);
        steps_.push_back(steps);
      }
    }
    if (dims_.empty()) {
      dims_.push_back(1);
      steps_.emplace_back();
      steps_.back().fill(1);
    }
  }

  // Element step of an operand inside a run.
  [[nodiscard]] int64_t run_step(size_t operand) const { return steps_.back()[operand]; }
  [[nodiscard]] int64_t run_length() const { return dims_.back(); }

  // fn(offsets, length) for every run, in row-major order of the index space.
  template <class Fn>
  void for_each_run(Fn&& fn) const {
    if (empty_) return;
    const size_t outer = dims_.size() - 1;
    std::vector<int64_t> index(outer, 0);
    Offsets offsets{};
    for (;;) {
      fn(static_cast<const Offsets&>(offsets), dims_.back());
      size_t d = outer;
      while (d-- > 0) {
        for (size_t k = 0; k < N; ++k) offsets[k] += steps_[d][k];
        if (++index[d] < dims_[d]) break;
        index[d] = 0;
        for (size_t k = 0; k < N; ++k) offsets[k] -= steps_[d][k] * dims_[d];
      }
      if (d == static_cast<size_t>(-1)) return;
    }
  }

 private:
  [[nodiscard]] bool continues(const Offsets& steps, int64_t dim) const {
    for (size_t k = 0; k < N; ++k) {
      if (steps_.back()[k] != steps[k] * dim) return false;
    }
    return true;
  }

  std::vector<int64_t> dims_;
  std::vector<Offsets> steps_;
  bool empty_ = false;
};

// Strides of `shape` seen through `target` by numpy broadcasting: 0 where a dimension is repeated.
[[nodiscard]] inline std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& target) {
  QTOOL_CHECK(shape.rank() <= target.rank());
  const std::vector<int64_t> own = shape.strides();
  std::vector<int64_t> result(target.rank(), 0);
  const size_t lead = target.rank() - shape.rank();
  for (size_t d = 0; d < shape.rank(); ++d) result[lead + d] = shape[d] == 1 ? 0 : own[d];
  return result;
}

}  // namespace qtool::ops
