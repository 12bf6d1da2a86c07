#include "dlc/node_lowering.h"

#include <algorithm>

#include "qtool/ops/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {

using container::DlcDtype;
using container::DlcLocation;
using ir::ValueId;

namespace {

// The grid of a per-tensor form, for constants that have to lie on an encoding given by another tensor.
quant::Encoding encoding_of_form(const TensorForm& form) {
  const container::DlcEncodingEntry& entry = form.encoding.entries.front();
  return {.bits = static_cast<int>(entry.bitwidth), .grids = {{.scale = entry.scale, .offset = entry.offset}}};
}

// Slot of the multiplied parameter of a node, -1 when it has none.
int weight_slot(const ir::Node& node) {
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  return def == nullptr ? -1 : def->traits.weight_input;
}

}  // namespace

void refuse_node(const ir::Node& node, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, reason).with("node", node.name).with("op", node.op_type);
}

quant::Encoding own_encoding(const Tensor& tensor, int bits) {
  const quant::QuantSpec spec{.bits = bits};
  return quant::encoding_from_ranges(spec, quant::tensor_ranges(tensor, -1));
}

NodeLowering::NodeLowering(LoweringContext& context, const ir::Node& node, bool float_only)
    : context_(context), node_(node), fixed_(decide_fixed(float_only)), bits_(fixed_ ? widest() : 0) {}

bool NodeLowering::decide_fixed(bool float_only) const {
  if (float_only || !context_.is_quantized()) return false;
  const ir::Graph& graph = context_.graph();
  bool has_float_operand = false;
  for (const ValueId value : node_.inputs) {
    if (value == ir::kNoValue || graph.is_constant(value) || !is_floating(graph.type_of(value).dtype)) continue;
    has_float_operand = true;
    if (context_.encoding(value) == nullptr) return false;
  }
  for (const ValueId value : node_.outputs) {
    if (value == ir::kNoValue || !is_floating(graph.type_of(value).dtype)) continue;
    if (graph.value(value).uses.empty() && !graph.is_output(value)) continue;
    if (context_.encoding(value) == nullptr) return false;
  }
  const int weight = weight_slot(node_);
  const bool float_weight = weight >= 0 && has_input(static_cast<size_t>(weight)) &&
                            graph.is_constant(input(static_cast<size_t>(weight))) &&
                            context_.encoding(input(static_cast<size_t>(weight))) == nullptr;
  return has_float_operand && !float_weight;
}

uint32_t NodeLowering::widest() const {
  uint32_t bits = 0;
  const auto include = [&](ValueId value) {
    if (value == ir::kNoValue || context_.graph().is_constant(value)) return;
    if (is_floating(context_.graph().type_of(value).dtype) && context_.encoding(value) != nullptr) {
      bits = std::max(bits, container::fixed_point_bits(context_.form_of(value).dtype));
    }
  };
  std::ranges::for_each(node_.inputs, include);
  std::ranges::for_each(node_.outputs, include);
  return bits;
}

bool NodeLowering::has_input(size_t slot) const { return slot < node_.inputs.size() && node_.inputs[slot] != ir::kNoValue; }

bool NodeLowering::reads_output(size_t slot) const {
  if (slot >= node_.outputs.size() || node_.outputs[slot] == ir::kNoValue) return false;
  return !context_.graph().value(output(slot)).uses.empty() || context_.graph().is_output(output(slot));
}

const Tensor* NodeLowering::constant(size_t slot) const {
  return has_input(slot) ? context_.graph().constant(input(slot)) : nullptr;
}

std::optional<std::vector<int64_t>> NodeLowering::int_list(std::string_view attribute, size_t slot, int64_t input_since) const {
  if (node_.opset < input_since) {
    return node_.has_attribute(attribute) ? std::optional(node_.attr_ints(attribute)) : std::nullopt;
  }
  if (!has_input(slot)) return std::nullopt;
  if (constant(slot) == nullptr) refuse(format("input {} ({}) is computed at run time; a DLC needs it constant", slot, attribute));
  return constant(slot)->to_int64();
}

AxisOrder NodeLowering::order_of(size_t slot) const {
  return constant(slot) != nullptr ? onnx_order(shape(slot).rank()) : context_.placement(input(slot)).order;
}

TensorForm NodeLowering::arithmetic_form(const TensorForm& form) const {
  if (!fixed_) return dlc::is_fixed(form) || is_float(form) ? context_.float_form() : form;
  return dlc::is_fixed(form) && container::fixed_point_bits(form.dtype) < bits_ ? widened(form) : form;
}

std::string NodeLowering::in_arithmetic(const std::string& tensor) {
  return writer().convert(tensor, arithmetic_form(writer().form(tensor)));
}

std::string NodeLowering::read(size_t slot, const AxisOrder& order) {
  if (constant(slot) != nullptr) return static_operand(slot, permuted_layout(shape(slot), order), std::nullopt);
  return in_arithmetic(context_.in_order(input(slot), order));
}

std::string NodeLowering::read_as(size_t slot, const AxisOrder& order, const TensorForm& form) {
  if (constant(slot) != nullptr) return static_operand(slot, permuted_layout(shape(slot), order), form);
  return writer().convert(context_.in_order(input(slot), order), form);
}

std::string NodeLowering::read_reshaped(size_t slot, const std::vector<uint32_t>& dims, const TensorForm& form) {
  if (constant(slot) != nullptr) return static_operand(slot, reshaped_layout(shape(slot), dims), form);
  const std::string tensor = writer().convert(context_.in_memory_order(input(slot)), form);
  return writer().reshape(tensor, dims, ".reshaped");
}

TensorForm NodeLowering::result_form(size_t slot) const { return arithmetic_form(context_.form_of(output(slot))); }

OpDraft NodeLowering::op(std::string type, std::vector<std::string> inputs) const {
  return {node_.name, std::move(type), std::move(inputs)};
}

OpDraft NodeLowering::helper_op(std::string_view suffix, std::string type, std::vector<std::string> inputs) {
  return {writer().fresh_op_name(format("{}.{}", node_.name, suffix)), std::move(type), std::move(inputs)};
}

void NodeLowering::emit(OpDraft draft, const AxisOrder& order) {
  const std::string target = context_.create(output(), order, result_form());
  writer().add_op(std::move(draft), {target});
  context_.complete(output());
}

void NodeLowering::emit_all(OpDraft draft, const std::vector<AxisOrder>& orders) {
  std::vector<std::string> targets;
  for (size_t slot = 0; slot < orders.size(); ++slot) {
    if (reads_output(slot)) {
      targets.push_back(context_.create(output(slot), orders[slot], result_form(slot)));
    } else {
      targets.push_back(unread_output(draft, slot, orders[slot]));
    }
  }
  writer().add_op(std::move(draft), targets);
  for (size_t slot = 0; slot < orders.size(); ++slot) {
    if (reads_output(slot)) context_.complete(output(slot));
  }
}

// Unread outputs need no encoding of their own: that of any other float output does.
std::string NodeLowering::unread_output(const OpDraft& draft, size_t slot, const AxisOrder& order) {
  TensorForm form = context_.form_of(output(slot));
  for (size_t other = 0; is_float(form) && fixed_ && other < node_.outputs.size(); ++other) {
    if (reads_output(other)) form = result_form(other);
  }
  return writer().add_tensor(writer().fresh_tensor_name(format("{}.unused_{}", draft.name, slot)), DlcLocation::kNative,
                             stored_dims(output_shape(slot), order), form);
}

std::string NodeLowering::emit_inner(OpDraft draft, std::vector<uint32_t> dims, const TensorForm& form) {
  const std::string name = writer().add_tensor(writer().fresh_tensor_name(draft.name), DlcLocation::kNative, std::move(dims), form);
  writer().add_op(std::move(draft), {name});
  return name;
}

std::string NodeLowering::static_operand(size_t slot, const StaticLayout& layout, const std::optional<TensorForm>& form) {
  const Tensor& tensor = *constant(slot);
  const std::string& name = context_.graph().value(input(slot)).name;
  if (!is_floating(tensor.dtype())) {
    return writer().add_static(plain_static(name, tensor, layout, plain_form(tensor.dtype(), context_.float_dtype()).dtype));
  }
  if (form.has_value() ? !dlc::is_fixed(*form) : !fixed_) {
    return writer().add_static(plain_static(name, tensor, layout, context_.float_dtype()));
  }
  if (form.has_value()) {
    return writer().add_static(quantized_static(name, tensor, layout, encoding_of_form(*form), *form));
  }
  const quant::Encoding* given = context_.encoding(input(slot));
  const bool usable = given != nullptr && !given->per_channel() && static_cast<uint32_t>(given->bits) <= bits_;
  if (!usable && given != nullptr) {
    context_.note(format("constant '{}' of {}: its encoding does not suit an operand; it got one of its own", name, node_.text()));
  }
  const quant::Encoding encoding = usable ? *given : own_encoding(tensor, static_cast<int>(bits_));
  const TensorForm own = activation_form(encoding);
  if (container::fixed_point_bits(own.dtype) < bits_) {
    const TensorForm wide = widened(own);
    return writer().add_static(quantized_static(name, tensor, layout, encoding_of_form(wide), wide));
  }
  return writer().add_static(quantized_static(name, tensor, layout, encoding, own));
}

std::string NodeLowering::static_parameter(std::string_view suffix, const Tensor& tensor) {
  const std::string name = format("{}.{}", node_.name, suffix);
  const StaticLayout layout = permuted_layout(tensor.shape(), onnx_order(tensor.shape().rank()));
  if (!fixed_) return writer().add_static(plain_static(name, tensor, layout, context_.float_dtype()));
  const quant::Encoding encoding = own_encoding(tensor, static_cast<int>(bits_));
  return writer().add_static(quantized_static(name, tensor, layout, encoding, activation_form(encoding)));
}

std::string NodeLowering::static_int32(std::string_view suffix, const std::vector<int32_t>& values, std::vector<uint32_t> dims) {
  const Tensor tensor = Tensor::from<int32_t>(Shape{static_cast<int64_t>(values.size())}, values);
  return writer().add_static(plain_static(format("{}.{}", node_.name, suffix), tensor, reshaped_layout(tensor.shape(), std::move(dims)),
                                          DlcDtype::kInt32));
}

}  // namespace qtool::exporters::dlc
