// Gemm and MatMul: FullyConnected where the right side is a constant matrix, else MatMul.
#include "dlc/broadcast_operands.h"
#include "dlc/lowering_table.h"
#include "dlc/weighted_operands.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

constexpr uint32_t kAdd = 0;  // of Eltwise_Binary

// Weight [out, in] from a constant [in, out] or, with `stored_out_first`, as it is.
StaticLayout matrix_layout(const Shape& weight, bool stored_out_first) {
  return permuted_layout(weight, stored_out_first ? AxisOrder{0, 1} : AxisOrder{1, 0});
}

// input: [rows, in] -> [rows, out], in the form of the result.
OpDraft fully_connected(NodeLowering& n, OpDraft draft, const std::string& input, const WeightedOperands& operands) {
  const std::vector<std::string> parameters = write_weight_and_bias(n, input, operands);
  draft.inputs = {input, parameters[0], parameters[1]};
  return draft;
}

// Operand 0 as a matrix; leading axes become rows.
std::string read_rows(NodeLowering& n, int64_t columns) {
  const int64_t rows = n.shape(0).element_count() / columns;
  const std::string tensor = n.in_arithmetic(n.context().in_memory_order(n.input(0)));
  return n.writer().reshape(tensor, {static_cast<uint32_t>(rows), static_cast<uint32_t>(columns)}, ".rows");
}

void emit_rows(NodeLowering& n, OpDraft draft) {
  if (n.output_shape().rank() == 2) return n.emit(std::move(draft), onnx_order(2));
  const int64_t columns = n.output_shape()[n.output_shape().rank() - 1];
  const auto rows = static_cast<uint32_t>(n.output_shape().element_count() / columns);
  const std::string matrix = n.emit_inner(std::move(draft), {rows, static_cast<uint32_t>(columns)}, n.result_form());
  n.emit(n.op("Reshape", {matrix}), onnx_order(n.output_shape().rank()));
}

OpDraft main_or_inner(NodeLowering& n, const char* type) {
  return n.output_shape().rank() == 2 ? n.op(type, {}) : n.helper_op("rows", type, {});
}

void lower_constant_product(NodeLowering& n) {
  const Shape& weight = n.shape(1);  // [in, out]
  const std::string input = read_rows(n, weight[0]);
  const WeightedOperands operands{.weight_layout = matrix_layout(weight, false), .weight_axis = 0, .out_channels = weight[1]};
  emit_rows(n, fully_connected(n, main_or_inner(n, "FullyConnected"), input, operands));
}

struct Factor {
  std::string tensor;
  bool transposed = false;
};

// The last two axes may lie swapped: the op can transpose them itself.
Factor read_factor(NodeLowering& n, size_t slot) {
  const size_t rank = n.shape(slot).rank();
  AxisOrder swapped = onnx_order(rank);
  std::swap(swapped[rank - 1], swapped[rank - 2]);
  const bool transposed = n.constant(slot) == nullptr && n.order_of(slot) == swapped;
  return {n.read(slot, transposed ? swapped : onnx_order(rank)), transposed};
}

void lower_computed_product(NodeLowering& n) {
  if (n.shape(0).rank() < 2 || n.shape(1).rank() < 2) n.refuse("a vector operand; give both operands two axes");
  const Factor left = read_factor(n, 0);
  const Factor right = read_factor(n, 1);
  OpDraft draft = n.op("MatMul", {left.tensor, right.tensor});
  draft.boolean("transpose_in0", left.transposed).boolean("transpose_in1", right.transposed);
  n.emit(std::move(draft), onnx_order(n.output_shape().rank()));
}

void lower_matmul(NodeLowering& n) {
  const bool constant_matrix = n.constant(1) != nullptr && n.shape(1).rank() == 2 && n.constant(0) == nullptr;
  if (constant_matrix) return lower_constant_product(n);
  lower_computed_product(n);
}

bool is_row(const Shape& bias, int64_t channels) {
  return bias.element_count() == channels && (bias.rank() == 1 || (bias.rank() == 2 && bias[0] == 1));
}

// C as [channels]: a single number is repeated.
Tensor as_row(const Tensor& bias, int64_t channels) {
  if (bias.element_count() == channels) return bias.reshaped(Shape{channels});
  return Tensor::from<float>(Shape{channels}, std::vector<float>(static_cast<size_t>(channels), bias.to_float()[0]));
}

// C that is no row of constants is added behind the product.
void emit_with_sum(NodeLowering& n, OpDraft product) {
  if (n.is_fixed()) n.context().note(format("{}: the product before its third operand has no encoding of its own", n.node().text()));
  const AxisOrder order = onnx_order(2);
  const std::string inner = n.emit_inner(std::move(product), stored_dims(n.output_shape(), order), n.result_form());
  OpDraft sum = n.op("Eltwise_Binary", {inner, read_broadcast(n, 2, order)});
  sum.u32("operation", kAdd);
  n.emit(std::move(sum), order);
}

void lower_gemm(NodeLowering& n) {
  if (n.node().attr_float("alpha", 1.0f) != 1.0f || n.node().attr_float("beta", 1.0f) != 1.0f) {
    n.refuse("alpha and beta other than 1; fold them into the constants first");
  }
  if (n.constant(1) == nullptr) n.refuse("the matrix is computed at run time; write the node as MatMul and Add");
  const bool out_first = n.node().attr_int("transB", 0) != 0;
  const Shape& weight = n.shape(1);
  const int64_t channels = weight[out_first ? 0 : 1];
  WeightedOperands operands{.weight_layout = matrix_layout(weight, out_first), .weight_axis = 0, .out_channels = channels};
  const bool has_sum = n.has_input(2);
  const bool as_bias = has_sum && n.constant(2) != nullptr && (n.shape(2).element_count() == 1 || is_row(n.shape(2), channels));
  const Tensor bias = as_bias ? as_row(*n.constant(2), channels) : Tensor();
  if (as_bias) {
    operands.bias = &bias;
    operands.bias_value = n.input(2);
  }
  const bool transposed = n.node().attr_int("transA", 0) != 0;
  const std::string input = transposed ? n.read(0, AxisOrder{1, 0}) : read_rows(n, weight[out_first ? 1 : 0]);
  if (!has_sum || as_bias) return n.emit(fully_connected(n, n.op("FullyConnected", {}), input, operands), onnx_order(2));
  emit_with_sum(n, fully_connected(n, n.helper_op("product", "FullyConnected", {}), input, operands));
}

}  // namespace

void register_lower_matrix_product(LoweringTable& table) {
  table.add("Gemm", {lower_gemm});
  table.add("MatMul", {lower_matmul});
}

}  // namespace qtool::exporters::dlc
