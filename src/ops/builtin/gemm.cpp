// Gemm: alpha * op(A) * op(B) + beta * C.
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

struct GemmSizes {
  int64_t rows, depth, columns;
  bool transpose_a, transpose_b;
};

GemmSizes gemm_sizes(const ir::Node& node, const Shape& a, const Shape& b) {
  const bool transpose_a = node.attr_int("transA", 0) != 0, transpose_b = node.attr_int("transB", 0) != 0;
  if (a.rank() != 2 || b.rank() != 2 || a[transpose_a ? 0 : 1] != b[transpose_b ? 1 : 0]) {
    throw Error(ErrorCode::kInvalidModel, format("cannot multiply {} by {}", a.text(), b.text()));
  }
  return {a[transpose_a ? 1 : 0], a[transpose_a ? 0 : 1], b[transpose_b ? 0 : 1], transpose_a, transpose_b};
}

void check_addend(const Shape& addend, const GemmSizes& sizes) {
  const Shape product{sizes.rows, sizes.columns};
  if (!(broadcast_shapes(addend, product) == product)) {
    throw Error(ErrorCode::kInvalidModel, format("C of shape {} does not fit a product {}", addend.text(), product.text()));
  }
}

InferredTypes infer(const InferContext& context) {
  const GemmSizes sizes = gemm_sizes(context.node(), context.shape(0), context.shape(1));
  if (context.has_input(2)) check_addend(context.shape(2), sizes);
  return {TensorType{context.dtype(0), Shape{sizes.rows, sizes.columns}}};
}

Reals scaled_addend(const Tensor& addend, const GemmSizes& sizes, double beta) {
  check_addend(addend.shape(), sizes);
  const Shape& shape = addend.shape();
  const int64_t row_step = shape.rank() == 2 && shape[0] != 1 ? shape[1] : 0;
  const int64_t column_step = shape.rank() >= 1 && shape[shape.rank() - 1] != 1 ? 1 : 0;
  const Reals values = to_reals(addend);
  Reals result(static_cast<size_t>(sizes.rows * sizes.columns));
  for (int64_t i = 0; i < sizes.rows; ++i) {
    for (int64_t j = 0; j < sizes.columns; ++j) {
      result[static_cast<size_t>(i * sizes.columns + j)] =
          beta * values[static_cast<size_t>(i * row_step + j * column_step)];
    }
  }
  return result;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor &left = context.input(0), &right = context.input(1);
  const GemmSizes s = gemm_sizes(context.node(), left.shape(), right.shape());
  const double alpha = context.node().attr_float("alpha", 1.0f), beta = context.node().attr_float("beta", 1.0f);
  const Reals a = to_reals(left), b = to_reals(right);
  Reals y = context.has_input(2) ? scaled_addend(context.input(2), s, beta)
                                 : Reals(static_cast<size_t>(s.rows * s.columns), 0.0);
  for (int64_t i = 0; i < s.rows; ++i) {
    Reals sums(static_cast<size_t>(s.columns), 0.0);
    for (int64_t k = 0; k < s.depth; ++k) {
      const double factor = a[static_cast<size_t>(s.transpose_a ? k * s.rows + i : i * s.depth + k)];
      const int64_t step = s.transpose_b ? s.depth : 1;
      const double* row = b.data() + (s.transpose_b ? k : k * s.columns);
      for (int64_t j = 0; j < s.columns; ++j) sums[static_cast<size_t>(j)] += factor * row[j * step];
    }
    for (int64_t j = 0; j < s.columns; ++j) {
      y[static_cast<size_t>(i * s.columns + j)] += alpha * sums[static_cast<size_t>(j)];
    }
  }
  return {from_reals(left.dtype(), Shape{s.rows, s.columns}, y)};
}

}  // namespace

void register_gemm(Registry& registry) {
  registry.add({.type = "Gemm",
                .first_opset = 6,
                .infer = infer,
                .evaluate = evaluate,
                .traits = {.weight_input = 1, .bias_input = 2, .weight_channel_axis = [](const ir::Node& node) {
                             return int64_t{node.attr_int("transB", 0) != 0 ? 0 : 1};
                           }}});
}

}  // namespace qtool::ops
