// MatMul, MatMulInteger and QLinearMatMul with numpy rules: 1-D operands gain an axis that the result loses again,
// leading axes broadcast.
#include "integer_arithmetic.h"
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

struct MatMulPlan {
  Shape batch_a, batch_b, batch;  // leading axes
  int64_t rows, depth, columns;
  Shape output;
};

Shape leading(const Shape& shape) {
  return Shape(std::vector<int64_t>(shape.begin(), shape.end() - 2));
}

MatMulPlan plan_matmul(Shape a, Shape b) {
  if (a.rank() == 0 || b.rank() == 0) throw Error(ErrorCode::kInvalidModel, "MatMul does not take scalars");
  const bool vector_a = a.rank() == 1, vector_b = b.rank() == 1;
  if (vector_a) a = Shape{1, a[0]};
  if (vector_b) b = Shape{b[0], 1};
  MatMulPlan plan{leading(a), leading(b), {}, a[a.rank() - 2], a[a.rank() - 1], b[b.rank() - 1], {}};
  if (plan.depth != b[b.rank() - 2]) {
    throw Error(ErrorCode::kInvalidModel, format("cannot multiply {} by {}", a.text(), b.text()));
  }
  plan.batch = broadcast_shapes(plan.batch_a, plan.batch_b);
  std::vector<int64_t> dims = plan.batch.dims();
  if (!vector_a) dims.push_back(plan.rows);
  if (!vector_b) dims.push_back(plan.columns);
  plan.output = Shape(std::move(dims));
  return plan;
}

// Which matrix of a broadcast operand belongs to matrix `flat` of the result.
int64_t batch_index(const Shape& batch, const Shape& operand, int64_t flat) {
  int64_t index = 0, step = 1;
  for (size_t i = 0; i < operand.rank(); ++i) {
    const int64_t extent = batch[batch.rank() - 1 - i], own = operand[operand.rank() - 1 - i];
    if (own != 1) index += flat % extent * step;
    flat /= extent;
    step *= own;
  }
  return index;
}

Reals multiply(const MatMulPlan& plan, const Reals& a, const Reals& b) {
  Reals y(static_cast<size_t>(plan.output.element_count()), 0.0);
  const int64_t matrices = plan.batch.element_count();
  for (int64_t m = 0; m < matrices; ++m) {
    const double* left = a.data() + batch_index(plan.batch, plan.batch_a, m) * plan.rows * plan.depth;
    const double* right = b.data() + batch_index(plan.batch, plan.batch_b, m) * plan.depth * plan.columns;
    double* row = y.data() + m * plan.rows * plan.columns;
    for (int64_t i = 0; i < plan.rows; ++i, row += plan.columns) {
      for (int64_t k = 0; k < plan.depth; ++k) {
        const double factor = left[i * plan.depth + k];
        const double* source = right + k * plan.columns;
        for (int64_t j = 0; j < plan.columns; ++j) row[j] += factor * source[j];
      }
    }
  }
  return y;
}

InferredTypes infer_matmul(const InferContext& context) {
  return {TensorType{context.dtype(0), plan_matmul(context.shape(0), context.shape(1)).output}};
}

std::vector<Tensor> evaluate_matmul(const EvalContext& context) {
  const Tensor &a = context.input(0), &b = context.input(1);
  const MatMulPlan plan = plan_matmul(a.shape(), b.shape());
  return {from_reals(a.dtype(), plan.output, multiply(plan, to_reals(a), to_reals(b)))};
}

size_t row_axis(const Shape& shape) { return shape.rank() < 2 ? 0 : shape.rank() - 2; }
size_t column_axis(const Shape& shape) { return shape.rank() == 0 ? 0 : shape.rank() - 1; }

InferredTypes infer_matmul_integer(const InferContext& context) {
  return {TensorType{DType::kInt32, plan_matmul(context.shape(0), context.shape(1)).output}};
}

std::vector<Tensor> evaluate_matmul_integer(const EvalContext& context) {
  const Tensor &a = context.input(0), &b = context.input(1);
  const MatMulPlan plan = plan_matmul(a.shape(), b.shape());
  return {from_reals(DType::kInt32, plan.output,
                     multiply(plan, centered_levels(a, context.optional_input(2), row_axis(a.shape())),
                              centered_levels(b, context.optional_input(3), column_axis(b.shape()))))};
}

// Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point.
InferredTypes infer_qlinear_matmul(const InferContext& context) {
  return {TensorType{context.dtype(7), plan_matmul(context.shape(0), context.shape(3)).output}};
}

std::vector<Tensor> evaluate_qlinear_matmul(const EvalContext& context) {
  const Tensor &a = context.input(0), &b = context.input(3);
  const MatMulPlan plan = plan_matmul(a.shape(), b.shape());
  const Reals sums = multiply(plan, centered_levels(a, context.optional_input(2), row_axis(a.shape())),
                              centered_levels(b, context.optional_input(5), column_axis(b.shape())));
  return {requantize(sums, plan.output,
                     {.multipliers = requantization_multipliers(context.input(1), context.input(4), context.input(6)),
                      .axis = column_axis(plan.output),
                      .zero_point = &context.input(7)})};
}

}  // namespace

void register_matmul(Registry& registry) {
  registry.add({.type = "MatMul",
                .first_opset = 1,
                .infer = infer_matmul,
                .evaluate = evaluate_matmul,
                // The right operand is [..., in, out]: its last axis counts output channels.
                .traits = {.weight_input = 1, .weight_channel_axis = [](const ir::Node&) { return int64_t{-1}; }}});
  registry.add({.type = "MatMulInteger",
                .first_opset = 10,
                .infer = infer_matmul_integer,
                .evaluate = evaluate_matmul_integer});
  registry.add({.type = "QLinearMatMul",
                .first_opset = 10,
                .notes = "per-tensor scale of a; per-tensor or per-column scale of b",
                .infer = infer_qlinear_matmul,
                .evaluate = evaluate_qlinear_matmul});
}

}  // namespace qtool::ops
