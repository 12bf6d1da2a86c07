// One node being lowered: its operands in the wanted order and form, and its results.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dlc/lowering_context.h"
#include "dlc/static_tensor.h"

namespace qtool::exporters::dlc {

// Throws Error(kUnsupported) with the node in the message's context.
[[noreturn]] void refuse_node(const ir::Node& node, const std::string& reason);

class NodeLowering {
 public:
  // A node is computed on codes when every float operand and result has an encoding, else in float; `float_only`
  // forces the latter.
  NodeLowering(LoweringContext& context, const ir::Node& node, bool float_only);

  [[nodiscard]] LoweringContext& context() { return context_; }
  [[nodiscard]] GraphWriter& writer() { return context_.writer(); }
  [[nodiscard]] const ir::Node& node() const { return node_; }
  [[nodiscard]] size_t input_count() const { return node_.inputs.size(); }
  [[nodiscard]] bool has_input(size_t slot) const;
  [[nodiscard]] ir::ValueId input(size_t slot) const { return node_.inputs[slot]; }
  [[nodiscard]] ir::ValueId output(size_t slot = 0) const { return node_.outputs[slot]; }
  [[nodiscard]] bool reads_output(size_t slot) const;  // somebody needs it
  [[nodiscard]] const Shape& shape(size_t slot) const { return context_.shape(input(slot)); }
  [[nodiscard]] const Shape& output_shape(size_t slot = 0) const { return context_.shape(output(slot)); }
  [[nodiscard]] DType dtype(size_t slot) const { return context_.graph().type_of(input(slot)).dtype; }
  // nullptr when left out or computed.
  [[nodiscard]] const Tensor* constant(size_t slot) const;
  // Of an attribute before `input_since`, a constant input since; nullopt when left out; refuses a computed input.
  [[nodiscard]] std::optional<std::vector<int64_t>> int_list(std::string_view attribute, size_t slot, int64_t input_since) const;
  [[noreturn]] void refuse(const std::string& reason) const { refuse_node(node_, reason); }

  [[nodiscard]] bool is_fixed() const { return fixed_; }
  // Code width of a fixed-point node: the widest of its operands and results.
  [[nodiscard]] uint32_t bits() const { return bits_; }
  // The order in which an operand lies already; constants lie in ONNX order.
  [[nodiscard]] AxisOrder order_of(size_t slot) const;

  // Operands. read(): in the node's arithmetic and width. read_as(): on exactly that encoding (ops that copy codes).
  // Constants become static operands.
  [[nodiscard]] std::string read(size_t slot, const AxisOrder& order);
  [[nodiscard]] std::string read_as(size_t slot, const AxisOrder& order, const TensorForm& form);
  // Elements in ONNX order with the given dims, on the encoding `form`.
  [[nodiscard]] std::string read_reshaped(size_t slot, const std::vector<uint32_t>& dims, const TensorForm& form);
  // The tensor in its own form, converted to the arithmetic and width of this node.
  [[nodiscard]] std::string in_arithmetic(const std::string& tensor);
  [[nodiscard]] TensorForm arithmetic_form(const TensorForm& form) const;

  // Results. What the op computes: the value's own form, or float or wider codes that are converted behind it.
  [[nodiscard]] TensorForm result_form(size_t slot = 0) const;
  // The main op of the node, to be given to emit().
  [[nodiscard]] OpDraft op(std::string type, std::vector<std::string> inputs) const;
  // A helper op named "<node>.<suffix>".
  [[nodiscard]] OpDraft helper_op(std::string_view suffix, std::string type, std::vector<std::string> inputs);
  // Writes output 0, whose axes lie in `order`.
  void emit(OpDraft draft, const AxisOrder& order);
  // Several outputs, all in one order; outputs that nobody reads get a tensor too, because the op has them.
  void emit_all(OpDraft draft, const std::vector<AxisOrder>& orders);
  // Writes an inner tensor and returns its name.
  std::string emit_inner(OpDraft draft, std::vector<uint32_t> dims, const TensorForm& form);
  // Output 0 lies in an existing tensor; writes nothing unless the encodings differ.
  void bind(Placement placement) { context_.bind(output(), std::move(placement)); }

  // Constant operands.
  // An element-wise operand: on `form` when given, else on its own encoding where the backend can take it, else on a
  // range of its own.
  [[nodiscard]] std::string static_operand(size_t slot, const StaticLayout& layout, const std::optional<TensorForm>& form);
  // A parameter made by the exporter (named "<node>.<suffix>") on a range of its own, or float.
  [[nodiscard]] std::string static_parameter(std::string_view suffix, const Tensor& tensor);
  [[nodiscard]] std::string static_int32(std::string_view suffix, const std::vector<int32_t>& values, std::vector<uint32_t> dims);

 private:
  [[nodiscard]] bool decide_fixed(bool float_only) const;
  [[nodiscard]] uint32_t widest() const;
  [[nodiscard]] std::string unread_output(const OpDraft& draft, size_t slot, const AxisOrder& order);

  LoweringContext& context_;
  const ir::Node& node_;
  bool fixed_ = false;
  uint32_t bits_ = 0;
};

// An unsigned grid over the values of a tensor.
[[nodiscard]] quant::Encoding own_encoding(const Tensor& tensor, int bits);

}  // namespace qtool::exporters::dlc
