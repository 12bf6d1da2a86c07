// Element-wise operators with two or more operands.
#include "dlc/broadcast_operands.h"
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

enum Binary : uint32_t {
  kAdd = 0, kAnd = 1, kDivide = 2, kEqual = 3, kGreater = 6, kGreaterEqual = 7, kLess = 8, kLessEqual = 9, kMaximum = 10,
  kMinimum = 11, kMultiply = 13, kOr = 15, kPower = 16, kSubtract = 18, kXor = 19,
};
constexpr uint32_t kSquareRoot = 15;  // of Eltwise_Unary

OpDraft binary(OpDraft draft, Binary operation) {
  draft.u32("operation", operation);
  return draft;
}

// a op b op c ...: inner results take the form of the last one.
void lower_chain(NodeLowering& n, Binary operation, const AxisOrder& order, std::string scale = {}) {
  std::string left = read_broadcast(n, 0, order);
  Shape shape = n.shape(0);
  for (size_t slot = 1; slot < n.input_count(); ++slot) {
    shape = broadcast_shapes(shape, n.shape(slot));
    const std::string right = read_broadcast(n, slot, order);
    if (slot + 1 == n.input_count() && scale.empty()) return n.emit(binary(n.op("Eltwise_Binary", {left, right}), operation), order);
    const Shape full = broadcast_shapes(shape, Shape(std::vector<int64_t>(order.size(), 1)));
    left = n.emit_inner(binary(n.helper_op("step", "Eltwise_Binary", {left, right}), operation), stored_dims(full, order), n.result_form());
  }
  if (!scale.empty()) return n.emit(binary(n.op("Eltwise_Binary", {left, scale}), kMultiply), order);
  n.bind({left, order});
}

template <Binary kOperation>
void lower_binary(NodeLowering& n) { lower_chain(n, kOperation, broadcast_order(n)); }

void lower_mean(NodeLowering& n) {
  const Tensor share = Tensor::from<float>(Shape{1}, {1.0f / static_cast<float>(n.input_count())});
  lower_chain(n, kAdd, broadcast_order(n), n.static_parameter("share", share));
}

void lower_pow(NodeLowering& n) {
  const AxisOrder order = broadcast_order(n);
  const Tensor* exponent = n.constant(1);
  const float power = exponent != nullptr && exponent->element_count() == 1 ? exponent->to_float()[0] : 0.0f;
  if (power == 2.0f && n.shape(0) == n.output_shape()) {
    const std::string base = n.read(0, order);
    return n.emit(binary(n.op("Eltwise_Binary", {base, base}), kMultiply), order);
  }
  if (power == 0.5f && n.shape(0) == n.output_shape()) {
    OpDraft root = n.op("Eltwise_Unary", {n.read(0, order)});
    root.u32("operation", kSquareRoot);
    return n.emit(std::move(root), order);
  }
  lower_chain(n, kPower, order);
}

// The partial sums of three or more operands have no encoding.
bool has_partial_sums(const ir::Node& node) { return node.inputs.size() > 2; }

}  // namespace

void register_lower_binary(LoweringTable& table) {
  table.add("Add", {lower_binary<kAdd>});
  table.add("Sub", {lower_binary<kSubtract>});
  table.add("Mul", {lower_binary<kMultiply>});
  table.add("Div", {lower_binary<kDivide>});
  table.add("Max", {lower_binary<kMaximum>});
  table.add("Min", {lower_binary<kMinimum>});
  table.add("Sum", {lower_binary<kAdd>, has_partial_sums});
  table.add("Mean", {lower_mean, always_float});
  table.add("Pow", {lower_pow});
  table.add("And", {lower_binary<kAnd>});
  table.add("Or", {lower_binary<kOr>});
  table.add("Xor", {lower_binary<kXor>});
  // Comparing codes is only right on equal encodings; in float it always is.
  table.add("Equal", {lower_binary<kEqual>, always_float});
  table.add("Greater", {lower_binary<kGreater>, always_float});
  table.add("GreaterOrEqual", {lower_binary<kGreaterEqual>, always_float});
  table.add("Less", {lower_binary<kLess>, always_float});
  table.add("LessOrEqual", {lower_binary<kLessEqual>, always_float});
}

}  // namespace qtool::exporters::dlc
