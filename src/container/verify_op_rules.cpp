// DLC container notes, sections 11.3 and 11.4; one function a rule.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <variant>

#include "qtool/support/format.h"
#include "verify_parts.h"

namespace qtool::container {
namespace {

bool is_one_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::ranges::find(types, type) != types.end();
}

bool has_weight(const DlcOp& op) {
  return is_one_of(op.type, {"Conv2d", "DepthWiseConv2d", "TransposeConv2d", "FullyConnected"});
}

const DlcTensor* input_at(const DlcOp& op, const TensorIndex& tensors, size_t index) {
  return index < op.inputs.size() ? tensors.at(op.inputs[index]) : nullptr;
}

const DlcTensor& first_output(const DlcOp& op, const TensorIndex& tensors) { return *tensors.at(op.outputs.front()); }

std::optional<int64_t> integer_of(const DlcOp& op, std::string_view name) {
  const DlcAttribute* attribute = op.find_attribute(name);
  const auto* scalar = attribute != nullptr ? std::get_if<DlcScalar>(&attribute->value) : nullptr;
  return scalar != nullptr ? std::optional(scalar->integer) : std::nullopt;
}

std::string_view text_of(const DlcOp& op, std::string_view name) {
  const DlcAttribute* attribute = op.find_attribute(name);
  const auto* scalar = attribute != nullptr ? std::get_if<DlcScalar>(&attribute->value) : nullptr;
  return scalar != nullptr ? std::string_view(scalar->text) : std::string_view();
}

// Channel axis: the last of HWIO, the first of [m,n], the only one of a bias. Others are refused.
void verify_weight_axis(const DlcOp& op, const DlcTensor& weight) {
  if (!weight.encoding.is_per_axis()) return;
  const int32_t expected = op.type == "FullyConnected" ? 0 : 3;
  if (weight.encoding.axis != expected) {
    refuse_tensor(weight, format("per-channel weights of {} need axis {}, found {}", op.type, expected, weight.encoding.axis));
  }
}

// Another kind than the weight's is accepted by the runtime and gives garbage.
void verify_bias_kind(const DlcTensor& weight, const DlcTensor& bias) {
  if (!is_fixed_point(weight.dtype)) return;
  if (!is_fixed_point(bias.dtype) || bias.dtype == DlcDtype::kSFixed8) {
    refuse_tensor(bias, format("a bias of {} beside fixed-point weights is refused; use sfixed32 or ufixed8", dlc_dtype_name(bias.dtype)));
  }
  if (weight.encoding.is_per_axis() != bias.encoding.is_per_axis()) {
    refuse_tensor(bias, format("the bias is encoded {} and the weight {}; both must be of one kind",
                               bias.encoding.is_per_axis() ? "per channel" : "per tensor",
                               weight.encoding.is_per_axis() ? "per channel" : "per tensor"));
  }
  if (weight.encoding.is_per_axis() && weight.encoding.entries.size() != bias.encoding.entries.size()) {
    refuse_tensor(bias, format("{} bias encodings for {} weight encodings", bias.encoding.entries.size(), weight.encoding.entries.size()));
  }
  if (weight.encoding.is_per_axis() && bias.dtype != DlcDtype::kSFixed32) {
    refuse_tensor(bias, format("per-channel weights need an sfixed32 bias, found {}", dlc_dtype_name(bias.dtype)));
  }
}

void verify_weighted_op(const DlcOp& op, const TensorIndex& tensors) {
  const DlcTensor* input = input_at(op, tensors, 0);
  const DlcTensor* weight = input_at(op, tensors, 1);
  const DlcTensor* bias = input_at(op, tensors, 2);
  const DlcTensor& output = first_output(op, tensors);
  if (input == nullptr || weight == nullptr) refuse(format("{} needs an input and a weight", op.type));
  if (is_fixed_point(weight->dtype) && !is_fixed_point(input->dtype)) {
    refuse_tensor(*input, "a float input meets a fixed-point weight; put a Quantize op before it");
  }
  if (is_fixed_point(weight->dtype) && input->dtype != output.dtype) {
    refuse_tensor(output, format("{} input and {} output; put a Convert op behind it", dlc_dtype_name(input->dtype), dlc_dtype_name(output.dtype)));
  }
  verify_weight_axis(op, *weight);
  if (bias == nullptr) return;
  verify_bias_kind(*weight, *bias);
  if (fixed_point_bits(input->dtype) == 16 && is_fixed_point(bias->dtype) && bias->dtype != DlcDtype::kSFixed32) {
    refuse_tensor(*bias, format("16-bit activations need an sfixed32 bias, found {}", dlc_dtype_name(bias->dtype)));
  }
}

bool copies_codes(const DlcOp& op) {
  if (is_one_of(op.type, {"Reshape", "Transpose", "DepthToSpace", "SpaceToDepth", "ResizeNearestNeighbor", "Gather", "Tile"})) return true;
  constexpr int64_t kConstantPad = 0;  // requantizes; the other schemes copy
  return op.type == "Pad" && integer_of(op, "scheme").value_or(kConstantPad) != kConstantPad;
}

// These move codes and do not look at scales; Gather and Tile are refused instead.
void verify_copied_codes(const DlcOp& op, const TensorIndex& tensors) {
  const DlcTensor* input = input_at(op, tensors, 0);
  const DlcTensor& output = first_output(op, tensors);
  if (input == nullptr) refuse(format("{} needs an input", op.type));
  if (!is_fixed_point(input->dtype) && !is_fixed_point(output.dtype)) return;
  // The axis of a per-channel encoding moves with the shape, so only per-tensor ones can be compared.
  if (input->encoding.is_per_axis() && output.encoding.is_per_axis()) return;
  if (!means_the_same(*input, output)) {
    refuse_tensor(output, format("{} copies codes, so '{}' and '{}' need equal encodings; put a Convert op behind it", op.type,
                                 input->name, output.name));
  }
}

bool is_binary(const DlcOp& op) {
  return is_one_of(op.type, {"Eltwise_Binary", "ElementWiseAdd", "ElementWiseSubtract", "ElementWiseMultiply", "ElementWiseDivide"});
}

void verify_operand_widths(const DlcOp& op, const TensorIndex& tensors) {
  const uint32_t bits = fixed_point_bits(first_output(op, tensors).dtype);
  for (const std::string& name : op.inputs) {
    const DlcTensor& input = *tensors.at(name);
    const uint32_t input_bits = fixed_point_bits(input.dtype);
    if (bits != 0 && input_bits != 0 && input_bits != bits) {
      refuse_tensor(input, format("{}-bit operand and {}-bit output; widths meet only through Convert", input_bits, bits));
    }
  }
}

enum class Clip { kNone, kRelu, kReluMinMax };

Clip clip_of(const DlcOp& op) {
  constexpr int64_t kReluOperation = 4;
  constexpr int64_t kReluMinMaxOperation = 5;
  if (op.type == "Relu") return Clip::kRelu;
  if (op.type == "ReluMinMax") return Clip::kReluMinMax;
  if (!is_one_of(op.type, {"ElementWiseNeuron", "Neuron"})) return Clip::kNone;
  if (text_of(op, "neuron_type") == "Relu" || integer_of(op, "operation") == kReluOperation) return Clip::kRelu;
  if (integer_of(op, "operation") == kReluMinMaxOperation) return Clip::kReluMinMax;
  return Clip::kNone;
}

// Ops that take a following ReLU in. Of the binary ones addition and multiplication were tried.
bool takes_clip(const DlcOp& op) {
  constexpr int64_t kAdd = 0;
  constexpr int64_t kMultiply = 13;
  if (is_one_of(op.type, {"Conv2d", "ElementWiseAdd", "ElementWiseMultiply"})) return true;
  if (op.type != "Eltwise_Binary") return false;
  const std::string_view name = text_of(op, "eltwise_type");
  if (!name.empty()) return is_one_of(name, {"ElementWiseAdd", "ElementWiseMultiply"});
  const auto operation = integer_of(op, "operation");
  return operation == kAdd || operation == kMultiply;
}

// The largest real value of an unsigned or signed per-tensor encoding.
double top_of(const DlcTensor& tensor) {
  const DlcEncodingEntry& entry = tensor.encoding.entries.front();
  const uint32_t bits = fixed_point_bits(tensor.dtype);
  const int64_t highest = (int64_t{1} << (is_signed_fixed_point(tensor.dtype) ? bits - 1 : bits)) - 1;
  return static_cast<double>(entry.scale) * static_cast<double>(highest + entry.offset);
}

// max_value is dropped by the fusion, so the output encoding has to do the clipping.
void verify_upper_limit(const DlcOp& clip, const DlcTensor& output) {
  const DlcAttribute* attribute = clip.find_attribute("max_value");
  const auto* limit = attribute != nullptr ? std::get_if<DlcScalar>(&attribute->value) : nullptr;
  if (limit == nullptr || !output.encoding.is_per_tensor()) return;
  const double half_step = 0.5 * static_cast<double>(output.encoding.entries.front().scale);
  if (top_of(output) > limit->real + half_step) {
    refuse_tensor(output, format("ReluMinMax up to {} is fused and its limit dropped, but the encoding reaches {}; end it at the limit",
                                 limit->real, top_of(output)));
  }
}

}  // namespace

void verify_op_rules(const DlcOp& op, const TensorIndex& tensors) {
  if (has_weight(op)) verify_weighted_op(op, tensors);
  if (copies_codes(op)) verify_copied_codes(op, tensors);
  if (is_binary(op)) verify_operand_widths(op, tensors);
  if (op.type == "MatMul" && op.inputs.size() > 2) {
    refuse("MatMul ignores its third input; use FullyConnected or a separate addition");
  }
}

void verify_fusions(const DlcGraph& graph, const TensorIndex& tensors) {
  std::map<std::string_view, const DlcOp*> producers;
  for (const DlcOp& op : graph.ops) {
    const Clip clip = clip_of(op);
    const auto before = clip != Clip::kNone && !op.inputs.empty() ? producers.find(op.inputs.front()) : producers.end();
    if (before != producers.end() && takes_clip(*before->second)) {
      const DlcTensor& inner = *tensors.at(op.inputs.front());
      const DlcTensor& output = first_output(op, tensors);
      if (is_fixed_point(inner.dtype) && !means_the_same(inner, output)) {
        refuse_tensor(inner, format("op '{}' is fused into '{}', which ignores the encoding between them; give it the encoding of '{}'",
                                    op.name, before->second->name, output.name));
      }
      if (clip == Clip::kReluMinMax && is_fixed_point(output.dtype)) verify_upper_limit(op, output);
    }
    for (const std::string& name : op.outputs) producers.emplace(name, &op);
  }
}

}  // namespace qtool::container
