#include "qtool/optimize/cost_model.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "learned_layers.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;
using model::CostRates;

constexpr int kFloatBits = 32;

// Bits by value; nullopt: the question is what 8 bits would cost.
using BitsOf = std::function<int(ValueId)>;

double multiplications(const Graph& graph, const Node& node) {
  if (!is_learned(graph, node) || node.inputs.size() < 2) return 0.0;
  const Shape& out = graph.type_of(node.outputs[0]).shape;
  const Shape& weight = graph.type_of(node.inputs[1]).shape;
  const auto elements = static_cast<double>(out.element_count());
  if (node.op_type == "Conv") return elements * static_cast<double>(weight.element_count()) / static_cast<double>(std::max<int64_t>(weight[0], 1));
  if (node.op_type == "ConvTranspose") {
    const Shape& in = graph.type_of(node.inputs[0]).shape;
    return static_cast<double>(in.element_count()) * static_cast<double>(weight.element_count()) / static_cast<double>(std::max<int64_t>(weight[0], 1));
  }
  const Shape& left = graph.type_of(node.inputs[0]).shape;
  const bool transposed = node.op_type == "Gemm" && node.attr_int("transA", 0) != 0;
  return elements * static_cast<double>(left[transposed ? 0 : left.rank() - 1]);
}

double rate_of(int left, int right, const CostRates& rates) {
  if (left >= kFloatBits || right >= kFloatBits) return rates.mac_float;
  if (left > 8) return right > 8 ? rates.mac_16x16 : rates.mac_16x8;
  if (right > 8) return rates.mac_16x8;
  return right <= 4 ? rates.mac_8x4 : rates.mac_8x8;
}

bool is_float_value(const Graph& graph, ValueId id) {
  return id != ir::kNoValue && graph.value(id).type && graph.value(id).type->dtype == DType::kFloat32;
}

double bytes_of(const Graph& graph, ValueId id, int bits) {
  return static_cast<double>(graph.value(id).type->shape.element_count()) * bits / 8.0;
}

Cost cost_with(const Graph& graph, const BitsOf& bits, const CostRates& rates) {
  Cost cost;
  for (const ir::NodeId id : graph.node_ids()) {
    const Node& node = graph.node(id);
    std::optional<int> widest;
    for (const ValueId output : node.outputs) {
      if (!is_float_value(graph, output)) continue;
      cost.bytes += rates.byte * bytes_of(graph, output, bits(output));
      widest = std::max(widest.value_or(0), bits(output));
    }
    if (const double macs = multiplications(graph, node); macs > 0.0) {
      const ValueId weight = node.inputs[1];
      cost.macs += macs * rate_of(bits(node.inputs[0]), bits(weight), rates);
      if (graph.is_constant(weight)) cost.weights += rates.weight_byte * bytes_of(graph, weight, bits(weight));
    }
    // Operators other than matrix products compute at the width of their result: inputs of another width are converted.
    if (!widest || is_learned(graph, node)) continue;
    for (const ValueId input : node.inputs) {
      if (!is_float_value(graph, input) || graph.is_constant(input) || bits(input) == *widest) continue;
      ++cost.convert_count;
      cost.converts += rates.convert_byte * (bytes_of(graph, input, bits(input)) + bytes_of(graph, input, *widest));
    }
  }
  return cost;
}

}  // namespace

Cost model_cost(const model::ModelState& state, const CostRates& rates) {
  // A value inside a fused group has the width of what stands for it: its reader's.
  const auto bits = [&](ValueId id) {
    const quant::Encoding* encoding = model::find_encoding(state.encodings, id);
    while (encoding == nullptr) {
      const ir::NodeId user = state.graph.single_user(id);
      const bool is_float = state.plan.left_float.contains(id) && !state.plan.fused_inside.contains(id);
      if (user == ir::kNoNode || is_float) return kFloatBits;
      id = state.graph.node(user).outputs[0];
      encoding = model::find_encoding(state.encodings, id);
    }
    return encoding->bits;
  };
  return cost_with(state.graph, bits, rates);
}

WideTensors wide_tensors(const model::ModelState& state) {
  WideTensors wide;
  for (const auto& [id, entry] : state.encodings) {
    if (entry.encoding.bits <= 8) continue;
    const model::TensorPlan* plan = state.plan.find(id);
    if (!state.graph.is_constant(id)) ++wide.activations;
    else if (plan != nullptr && plan->role == model::TensorRole::kWeight) ++wide.weights;
  }
  return wide;
}

double relative_cost(const model::ModelState& state, const CostRates& rates) {
  const Cost plain = cost_with(state.graph, [](ValueId) { return 8; }, rates);
  return plain.total() > 0.0 ? model_cost(state, rates).total() / plain.total() : 1.0;
}

}  // namespace qtool::optimize
