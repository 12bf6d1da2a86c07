// Det: determinants of the matrices in the last two axes.
#include <cmath>
#include <utility>

#include "operands.h"
#include "qtool/ops/registry.h"
#include "real_values.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& shape = operand_shape(context, 0);
  require_floating(operand_dtype(context, 0));
  const size_t rank = shape.rank();
  if (rank < 2 || shape[rank - 1] != shape[rank - 2]) invalid_model("expected square matrices, found shape {}", shape.text());
  return {TensorType{operand_dtype(context, 0), Shape(std::vector<int64_t>(shape.begin(), shape.end() - 2))}};
}

// Gaussian elimination with row pivots; `m` is n x n and is used up.
double determinant(double* m, int64_t n) {
  double product = 1.0;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t row = k + 1; row < n; ++row) {
      if (std::abs(m[row * n + k]) > std::abs(m[pivot * n + k])) pivot = row;
    }
    if (m[pivot * n + k] == 0.0) return 0.0;
    if (pivot != k) {
      product = -product;
      for (int64_t c = 0; c < n; ++c) std::swap(m[pivot * n + c], m[k * n + c]);
    }
    product *= m[k * n + k];
    for (int64_t row = k + 1; row < n; ++row) {
      const double factor = m[row * n + k] / m[k * n + k];
      for (int64_t c = k; c < n; ++c) m[row * n + c] -= factor * m[k * n + c];
    }
  }
  return product;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const TensorType type = settled(types(context));
  const Shape& shape = context.input(0).shape();
  const int64_t n = shape[shape.rank() - 1];
  Reals matrices = to_reals(context.input(0));
  Reals results(static_cast<size_t>(type.shape.element_count()));
  for (size_t i = 0; i < results.size(); ++i) results[i] = determinant(matrices.data() + static_cast<int64_t>(i) * n * n, n);
  return {from_reals(type.dtype, type.shape, results)};
}

}  // namespace

void register_det(Registry& registry) {
  registry.add({.type = "Det", .first_opset = 11, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
