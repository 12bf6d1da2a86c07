#include "dlc/weighted_operands.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {

using container::DlcTensor;

namespace {

Tensor zero_bias(int64_t channels) { return Tensor(DType::kFloat32, Shape{channels}); }

std::string bias_name(NodeLowering& n, const WeightedOperands& operands) {
  if (operands.bias_value != ir::kNoValue) return n.context().graph().value(operands.bias_value).name;
  return n.node().name + ".bias";
}

// Per-channel 32-bit biases are computed with input scale x weight scale, whatever the file says; another kind of
// encoding than the weight's gives garbage. Per-tensor ones may have a scale of their own.
bool suits_weight(const quant::Encoding& bias, const quant::Encoding& weight, uint32_t activation_bits) {
  if (weight.per_channel() || bias.per_channel()) return false;
  if (bias.bits == 32) return bias.is_symmetric;
  return bias.bits == 8 && activation_bits == 8;
}

void note_clipped(NodeLowering& n, const std::string& name, const DlcTensor& bias) {
  if (bias.dtype != container::DlcDtype::kSFixed32) return;
  for (size_t at = 0; at + sizeof(int32_t) <= bias.data.size(); at += sizeof(int32_t)) {
    int32_t code = 0;
    std::copy_n(bias.data.data() + at, sizeof code, reinterpret_cast<std::byte*>(&code));
    if (code == std::numeric_limits<int32_t>::max() || code == std::numeric_limits<int32_t>::min()) {
      n.context().note(format("bias '{}' does not fit 32 bits at input scale x weight scale and was clipped", name));
      return;
    }
  }
}

std::string write_quantized_bias(NodeLowering& n, const std::string& input, const quant::Encoding& weight,
                                 const WeightedOperands& operands) {
  const Tensor bias = operands.bias != nullptr ? *operands.bias : zero_bias(operands.out_channels);
  const StaticLayout layout = reshaped_layout(bias.shape(), {static_cast<uint32_t>(operands.out_channels)});
  const std::string name = bias_name(n, operands);
  const quant::Encoding* given =
      operands.bias_value != ir::kNoValue ? n.context().encoding(operands.bias_value) : nullptr;
  if (given != nullptr && given->grids.size() == 1 && suits_weight(*given, weight, n.bits())) {
    const TensorForm form = given->bits == 32 ? weight_form(*given, 0) : activation_form(*given);
    return n.writer().add_static(quantized_static(name, bias, layout, *given, form));
  }
  const double input_scale = n.writer().tensor(input).encoding.entries.front().scale;
  quant::Encoding derived = quant::bias_encoding(input_scale, weight);
  if (derived.per_channel()) derived.channel_axis = 0;
  DlcTensor tensor = quantized_static(name, bias.reshaped(Shape{operands.out_channels}), layout, derived, weight_form(derived, 0));
  note_clipped(n, name, tensor);
  return n.writer().add_static(std::move(tensor));
}

struct StoredWeight {
  Tensor values;
  quant::Encoding encoding;
};

// Low-power blocks are what they decompress to, a level times an integer block scale: per-channel codes of more bits, with
// nothing lost. Blocks with float scales have no such form.
StoredWeight stored_weight(const Tensor& weight, const quant::Encoding& encoding, const std::string& name) {
  if (!encoding.per_block()) return {weight, encoding};
  if (!encoding.low_power) {
    throw Error(ErrorCode::kUnsupported, "this container version has no per-block scales; use LPBQ (--lpbq), or leave the container out with "
                                         "--emit encodings")
        .with("tensor", name);
  }
  quant::Encoding decompressed{.bits = encoding.low_power->decompressed_bits, .is_symmetric = true, .channel_axis = encoding.channel_axis};
  const int64_t offset = -(int64_t{1} << (decompressed.bits - 1));
  for (const double scale : encoding.low_power->channel_scale) decompressed.grids.push_back({scale, offset});
  return {quant::fake_quantize(weight, encoding), std::move(decompressed)};
}

std::vector<std::string> write_fixed(NodeLowering& n, const std::string& input, const WeightedOperands& operands) {
  const ir::ValueId value = n.input(operands.weight_slot);
  const std::string& name = n.context().graph().value(value).name;
  const StoredWeight stored = stored_weight(*n.constant(operands.weight_slot), *n.context().encoding(value), name);
  const TensorForm form = weight_form(stored.encoding, operands.weight_axis);
  const std::string weight = n.writer().add_static(quantized_static(name, stored.values, operands.weight_layout, stored.encoding, form));
  return {weight, write_quantized_bias(n, input, stored.encoding, operands)};
}

// A float island: weights that have an encoding keep the values that the simulation saw.
std::vector<std::string> write_float(NodeLowering& n, const WeightedOperands& operands) {
  const ir::ValueId value = n.input(operands.weight_slot);
  const quant::Encoding* encoding = n.context().encoding(value);
  const Tensor& original = *n.constant(operands.weight_slot);
  const Tensor weight = encoding != nullptr ? quant::fake_quantize(original, *encoding) : original;
  const Tensor bias = operands.bias != nullptr ? *operands.bias : zero_bias(operands.out_channels);
  const container::DlcDtype dtype = n.context().float_dtype();
  const StaticLayout bias_layout = reshaped_layout(bias.shape(), {static_cast<uint32_t>(operands.out_channels)});
  return {n.writer().add_static(plain_static(n.context().graph().value(value).name, weight, operands.weight_layout, dtype)),
          n.writer().add_static(plain_static(bias_name(n, operands), bias, bias_layout, dtype))};
}

}  // namespace

std::vector<std::string> write_weight_and_bias(NodeLowering& n, const std::string& input, const WeightedOperands& operands) {
  return n.is_fixed() ? write_fixed(n, input, operands) : write_float(n, operands);
}

}  // namespace qtool::exporters::dlc
