// Pointwise functions: ElementWiseNeuron, Prelu, and those that are put together.
#include <array>
#include <limits>

#include "dlc/fused_clip.h"
#include "dlc/lowering_table.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

enum Neuron : uint32_t {
  kElu = 0, kGelu = 1, kHardSigmoid = 2, kHardSwish = 3, kRelu = 4, kReluMinMax = 5, kSigmoid = 6, kSoftplus = 7, kTanh = 8,
};

OpDraft neuron(NodeLowering& n, Neuron operation, const std::string& input) {
  OpDraft draft = n.op("ElementWiseNeuron", {input});
  draft.u32("operation", operation);
  return draft;
}

template <Neuron kOperation>
void lower_neuron(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  n.emit(neuron(n, kOperation, n.read(0, order)), order);
}

// The encoding between a fused pair is ignored, so it must already be that of the result.
std::string read_for_clip(NodeLowering& n, const AxisOrder& order) {
  const std::string input = n.read(0, order);
  if (!n.is_fixed() || !absorbs_clip(n.writer().producer_type(input))) return input;
  return n.writer().convert(input, n.result_form());
}

void lower_relu(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  n.emit(neuron(n, kRelu, read_for_clip(n, order)), order);
}

struct Bounds {
  float low = std::numeric_limits<float>::lowest();
  float high = std::numeric_limits<float>::max();
};

float bound(NodeLowering& n, size_t slot, const char* attribute, float fallback) {
  constexpr int64_t kBoundsAreInputs = 11;
  if (n.node().opset < kBoundsAreInputs) return n.node().attr_float(attribute, fallback);
  if (!n.has_input(slot)) return fallback;
  if (n.constant(slot) == nullptr) n.refuse("the bounds are computed at run time; a DLC needs them constant");
  return n.constant(slot)->to_float().at(0);
}

void lower_clip(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  Bounds bounds;
  bounds = {bound(n, 1, "min", bounds.low), bound(n, 2, "max", bounds.high)};
  if (bounds.low == 0 && bounds.high == Bounds{}.high) return lower_relu(n);
  OpDraft draft = neuron(n, kReluMinMax, read_for_clip(n, order));
  draft.f32("min_value", bounds.low).f32("max_value", bounds.high);
  n.emit(std::move(draft), order);
}

void lower_elu(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  OpDraft draft = neuron(n, kElu, n.read(0, order));
  draft.f32("alpha", n.node().attr_float("alpha", 1.0f));
  n.emit(std::move(draft), order);
}

void lower_hard_sigmoid(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  OpDraft draft = neuron(n, kHardSigmoid, n.read(0, order));
  draft.f32("alpha", n.node().attr_float("alpha", 0.2f)).f32("beta", n.node().attr_float("beta", 0.5f));
  n.emit(std::move(draft), order);
}

void lower_leaky_relu(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  const Tensor slope = Tensor::from<float>(Shape{1}, {n.node().attr_float("alpha", 0.01f)});
  n.emit(n.op("Prelu", {n.read(0, order), n.static_parameter("slope", slope)}), order);
}

// The backend takes one slope, or one a channel in the last axis.
void lower_prelu(NodeLowering& n) {
  if (n.constant(1) == nullptr) n.refuse("the slope is computed at run time; a DLC needs it constant");
  const Shape& slope = n.shape(1);
  const size_t rank = n.shape(0).rank();
  const int64_t count = slope.element_count();
  const bool one_a_channel = slope.rank() < rank && slope.rank() + 1 == rank && slope[0] == count;
  const bool full_rank = slope.rank() == rank && rank > 1 && slope[1] == count;
  if (count != 1 && !one_a_channel && !full_rank) n.refuse(format("slope of shape {}; one value or one a channel expected", slope.text()));
  const AxisOrder order = count == 1 ? n.order_of(0) : channels_last(rank);
  const StaticLayout layout = reshaped_layout(slope, {static_cast<uint32_t>(count)});
  n.emit(n.op("Prelu", {n.read(0, order), n.static_operand(1, layout, std::nullopt)}), order);
}

// x * tanh(softplus(x)), in float: the two inner tensors have no encodings.
void lower_mish(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  const std::string input = n.read(0, order);
  const std::vector<uint32_t> dims = stored_dims(n.shape(0), order);
  OpDraft softplus = n.helper_op("softplus", "ElementWiseNeuron", {input});
  softplus.u32("operation", kSoftplus);
  OpDraft tanh = n.helper_op("tanh", "ElementWiseNeuron", {n.emit_inner(std::move(softplus), dims, n.result_form())});
  tanh.u32("operation", kTanh);
  constexpr uint32_t kMultiply = 13;
  OpDraft product = n.op("Eltwise_Binary", {input, n.emit_inner(std::move(tanh), dims, n.result_form())});
  product.u32("operation", kMultiply);
  n.emit(std::move(product), order);
}

}  // namespace

void register_lower_activation(LoweringTable& table) {
  table.add("Relu", {lower_relu});
  table.add("Clip", {lower_clip});
  table.add("Sigmoid", {lower_neuron<kSigmoid>});
  table.add("Tanh", {lower_neuron<kTanh>});
  table.add("HardSwish", {lower_neuron<kHardSwish>});
  table.add("Gelu", {lower_neuron<kGelu>});
  table.add("Softplus", {lower_neuron<kSoftplus>});
  table.add("Elu", {lower_elu});
  table.add("HardSigmoid", {lower_hard_sigmoid});
  table.add("LeakyRelu", {lower_leaky_relu});
  table.add("PRelu", {lower_prelu});
  table.add("Mish", {lower_mish, always_float});
}

}  // namespace qtool::exporters::dlc
