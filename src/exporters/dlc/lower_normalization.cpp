// LayerNormalization, InstanceNormalization, BatchNormalization that could not be folded, LpNormalization.
#include <algorithm>
#include <cmath>

#include "dlc/lowering_table.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

constexpr int kWeightBits = 8;  // unsigned 8-bit weights are what every tried target takes
constexpr int kBiasBits = 32;

std::string parameter_name(const NodeLowering& n, const char* suffix) { return format("{}.{}", n.node().name, suffix); }

Tensor constant_parameter(NodeLowering& n, size_t slot, const char* what) {
  if (n.constant(slot) == nullptr) n.refuse(format("the {} is computed at run time; a DLC needs it constant", what));
  return *n.constant(slot);
}

std::string write_float(NodeLowering& n, const std::string& name, const Tensor& tensor) {
  return n.writer().add_static(plain_static(name, tensor, permuted_layout(tensor.shape(), onnx_order(tensor.shape().rank())), n.context().float_dtype()));
}

std::string write_codes(NodeLowering& n, const std::string& name, const Tensor& tensor, const quant::Encoding& encoding, const TensorForm& form) {
  const StaticLayout layout = permuted_layout(tensor.shape(), onnx_order(tensor.shape().rank()));
  return n.writer().add_static(quantized_static(name, tensor, layout, encoding, form));
}

// `given`: the encoding of the model's constant, when the parameter is one.
std::string write_weight(NodeLowering& n, const std::string& name, const Tensor& tensor, const quant::Encoding* given) {
  if (!n.is_fixed()) return write_float(n, name, tensor);
  const bool usable = given != nullptr && !given->per_channel() && given->bits <= kWeightBits;
  const quant::Encoding encoding = usable ? *given : own_encoding(tensor, kWeightBits);
  return write_codes(n, name, tensor, encoding, activation_form(encoding));
}

// 32 bits with the largest magnitude at the end of the range.
quant::Encoding wide_encoding(const Tensor& tensor) {
  constexpr double kSmallestScale = 2.3e-12;
  double magnitude = 0;
  for (const float value : tensor.to_float()) magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  const double scale = std::max(magnitude / static_cast<double>((int64_t{1} << 31) - 1), kSmallestScale);
  return {.bits = kBiasBits, .is_symmetric = true, .grids = {{.scale = scale, .offset = -(int64_t{1} << 31)}}};
}

std::string write_bias(NodeLowering& n, const std::string& name, const Tensor& tensor, const quant::Encoding* given) {
  if (!n.is_fixed()) return write_float(n, name, tensor);
  const bool usable = given != nullptr && !given->per_channel() && given->bits == kBiasBits && given->is_symmetric;
  const quant::Encoding encoding = usable ? *given : wide_encoding(tensor);
  return write_codes(n, name, tensor, encoding, weight_form(encoding, 0));
}

std::string weight_operand(NodeLowering& n, size_t slot) {
  const Tensor tensor = constant_parameter(n, slot, "scale");
  return write_weight(n, n.context().graph().value(n.input(slot)).name, tensor, n.context().encoding(n.input(slot)));
}

std::string bias_operand(NodeLowering& n, size_t slot) {
  const Tensor tensor = constant_parameter(n, slot, "bias");
  return write_bias(n, n.context().graph().value(n.input(slot)).name, tensor, n.context().encoding(n.input(slot)));
}

void lower_layer_norm(NodeLowering& n) {
  const size_t rank = n.shape(0).rank();
  if (n.shape(0).normalize_axis(n.node().attr_int("axis", -1)) + 1 != rank) n.refuse("normalizes several axes; the backend does the last one only");
  if (n.reads_output(1) || n.reads_output(2)) n.refuse("mean and deviation are read as well; the backend does not give them");
  const AxisOrder order = with_axis_last(n.order_of(0), rank - 1);
  OpDraft draft = n.op("LayerNorm", {n.read(0, order), weight_operand(n, 1)});
  if (n.has_input(2)) draft.inputs.push_back(bias_operand(n, 2));
  draft.u32s("axes", {static_cast<uint32_t>(rank - 1)}).f32("epsilon", n.node().attr_float("epsilon", 1e-5f));
  n.emit(std::move(draft), order);
}

void lower_instance_norm(NodeLowering& n) {
  const AxisOrder order = channels_last(n.shape(0).rank());
  OpDraft draft = n.op("InstanceNorm", {n.read(0, order), weight_operand(n, 1), bias_operand(n, 2)});
  draft.f32("epsilon", n.node().attr_float("epsilon", 1e-5f));
  n.emit(std::move(draft), order);
}

// y = x * weight + bias with weight = gamma / sqrt(variance + epsilon), bias = beta - mean * weight.
void lower_batch_norm(NodeLowering& n) {
  std::vector<std::vector<float>> given;  // gamma, beta, mean, variance
  for (size_t slot = 1; slot <= 4; ++slot) given.push_back(constant_parameter(n, slot, "statistics tensor").to_float());
  const double epsilon = n.node().attr_float("epsilon", 1e-5f);
  const Shape shape{static_cast<int64_t>(given[0].size())};
  Tensor weight(DType::kFloat32, shape);
  Tensor bias(DType::kFloat32, shape);
  for (size_t c = 0; c < given[0].size(); ++c) {
    const double factor = given[0][c] / std::sqrt(given[3][c] + epsilon);
    weight.mutable_data<float>()[c] = static_cast<float>(factor);
    bias.mutable_data<float>()[c] = static_cast<float>(given[1][c] - given[2][c] * factor);
  }
  const AxisOrder order = channels_last(n.shape(0).rank());
  const std::string input = n.read(0, order);
  n.emit(n.op("Batchnorm", {input, write_weight(n, parameter_name(n, "weight"), weight, nullptr),
                            write_bias(n, parameter_name(n, "bias"), bias, nullptr)}),
         order);
}

void lower_lp_normalization(NodeLowering& n) {
  if (n.node().attr_int("p", 2) != 2) n.refuse("only the L2 norm has a counterpart on the backend");
  constexpr float kTiny = 1e-12f;  // ONNX has no epsilon; the parameter keeps a zero vector zero
  const size_t axis = n.shape(0).normalize_axis(n.node().attr_int("axis", -1));
  const AxisOrder order = with_axis_last(n.order_of(0), axis);
  OpDraft draft = n.op("L2Norm", {n.read(0, order)});
  draft.u32("axis", static_cast<uint32_t>(order.size() - 1)).f32("epsilon", kTiny);
  n.emit(std::move(draft), order);
}

}  // namespace

void register_lower_normalization(LoweringTable& table) {
  table.add("LayerNormalization", {lower_layer_norm});
  table.add("InstanceNormalization", {lower_instance_norm});
  table.add("BatchNormalization", {lower_batch_norm});
  table.add("LpNormalization", {lower_lp_normalization});
}

}  // namespace qtool::exporters::dlc
