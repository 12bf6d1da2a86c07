// Signatures: the operators of ONNX, and docs/ContribOperators of ONNX Runtime for the domain com.microsoft.
#include "integer_operators.h"

#include <algorithm>

namespace qtool::passes {

namespace {

constexpr std::string_view kContrib = "com.microsoft";

const QuantizedOperand kFirst{0, 1, 2}, kSecond{3, 4, 5};

IntegerOperator unary(std::string float_op) { return {.float_op = std::move(float_op), .operands = {kFirst}, .result_scale = 3, .result_zero_point = 4}; }

IntegerOperator binary(std::string float_op) {
  return {.float_op = std::move(float_op), .operands = {kFirst, kSecond}, .result_scale = 6, .result_zero_point = 7};
}

std::optional<IntegerOperator> standard(const ir::Node& node) {
  if (node.op_type == "QLinearConv") {
    IntegerOperator conv = binary("Conv");
    conv.bias = 8;
    return conv;
  }
  if (node.op_type == "QLinearMatMul") {
    IntegerOperator matmul = binary("MatMul");
    matmul.weight_axis = -1;
    return matmul;
  }
  return std::nullopt;
}

IntegerOperator concat(const ir::Node& node) {
  IntegerOperator result{.float_op = "Concat", .result_scale = 0, .result_zero_point = 1};
  for (size_t slot = 2; slot + 2 < node.inputs.size(); slot += 3) result.operands.push_back({slot, slot + 1, slot + 2});
  return result;
}

IntegerOperator gemm(const ir::Node& node) {
  return {.float_op = "Gemm", .operands = {kFirst, kSecond}, .result_scale = 7, .result_zero_point = 8, .bias = 6,
          .weight_axis = node.attr_int("transB", 0) != 0 ? 0 : 1};
}

std::optional<IntegerOperator> contrib(const ir::Node& node) {
  const std::string& op = node.op_type;
  if (op == "QLinearAdd") return binary("Add");
  if (op == "QLinearMul") return binary("Mul");
  if (op == "QLinearSigmoid") return unary("Sigmoid");
  if (op == "QLinearLeakyRelu") return unary("LeakyRelu");
  if (op == "QLinearConcat") return concat(node);
  if (op == "QGemm" && node.attr_float("alpha", 1.0f) == 1.0f) return gemm(node);
  if (op == "QLinearSoftmax") {
    IntegerOperator softmax = unary("Softmax");
    softmax.dropped_attribute = "opset";
    return softmax;
  }
  if ((op == "QLinearAveragePool" || op == "QLinearGlobalAveragePool") && node.attr_int("channels_last", 0) == 0) {
    IntegerOperator pool = unary(op.substr(7));
    pool.dropped_attribute = "channels_last";
    return pool;
  }
  if (op == "QLinearWhere") {
    return IntegerOperator{.float_op = "Where", .operands = {{1, 2, 3}, {4, 5, 6}}, .result_scale = 7, .result_zero_point = 8, .plain_inputs = {0}};
  }
  return std::nullopt;
}

bool constant_or_absent(const ir::Graph& graph, const ir::Node& node, size_t slot) {
  return slot >= node.inputs.size() || node.inputs[slot] == ir::kNoValue || graph.is_constant(node.inputs[slot]);
}

}  // namespace

std::optional<IntegerOperator> integer_operator(const ir::Graph& graph, const ir::Node& node) {
  std::optional<IntegerOperator> found = node.domain.empty() ? standard(node) : node.domain == kContrib ? contrib(node) : std::nullopt;
  if (!found) return std::nullopt;
  // Without a scale the result is float (QGemm); such a node has no grid to give.
  const auto given = [&](size_t slot) { return slot < node.inputs.size() && graph.is_constant(node.inputs[slot]); };
  bool readable = given(found->result_scale) && constant_or_absent(graph, node, found->result_zero_point);
  for (const QuantizedOperand& operand : found->operands) {
    readable = readable && given(operand.scale) && constant_or_absent(graph, node, operand.zero_point);
  }
  return readable ? found : std::nullopt;
}

}  // namespace qtool::passes
