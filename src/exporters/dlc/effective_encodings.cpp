#include "dlc/effective_encodings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "qtool/ops/registry.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;
using model::EncodingTable;

bool is_one_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::ranges::find(types, type) != types.end();
}

bool is_clip(const Node& node) { return node.op_type == "Relu" || node.op_type == "Clip"; }

bool absorbs_activation(const Node& node) {
  return is_one_of(node.op_type, {"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Sub", "Div", "BatchNormalization"});
}

const Node* producer(const Graph& graph, ValueId value) {
  const ir::NodeId id = graph.producer(value);
  return id == ir::kNoNode ? nullptr : &graph.node(id);
}

bool moves_data(const Node& node) {
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  return def != nullptr && def->traits.flow == ops::ValueFlow::kMovesData;
}

bool is_float_value(const Graph& graph, ValueId value) { return is_floating(graph.type_of(value).dtype); }

void follow_moved_data(const model::ModelState& state, const Node& node, EncodingTable& table) {
  if (!moves_data(node) || node.inputs.empty() || node.inputs[0] == ir::kNoValue) return;
  const quant::Encoding* source = model::find_encoding(table, node.inputs[0]);
  if (source == nullptr || source->per_channel() || state.graph.is_constant(node.inputs[0])) return;
  for (const ValueId output : node.outputs) {
    if (output == ir::kNoValue || !is_float_value(state.graph, output)) continue;
    if (table.contains(output) || state.plan.left_float.contains(output)) continue;
    table[output] = {.encoding = *source, .source = "operand"};
  }
}

// A Reshape that the clean-up put between an operator and its quantizer: quantized in front of it or behind is the same.
void precede_view(const model::ModelState& state, const Node& node, EncodingTable& table) {
  const Graph& graph = state.graph;
  const quant::Encoding* result = model::find_encoding(table, node.outputs[0]);
  if (node.op_type != "Reshape" || result == nullptr || result->per_channel()) return;
  const ValueId source = node.inputs[0];
  if (graph.single_user(source) != node.id || graph.producer(source) == ir::kNoNode || table.contains(source)) return;
  if (moves_data(*producer(graph, source)) || state.plan.left_float.contains(source) || state.plan.requested_float.contains(source)) return;
  table[source] = {.encoding = *result, .source = "result"};
}

std::optional<float> upper_bound_of(const Graph& graph, const Node& node) {
  constexpr int64_t kBoundsAreInputs = 11;
  if (node.op_type != "Clip") return std::nullopt;
  if (node.opset < kBoundsAreInputs) {
    return node.has_attribute("max") ? std::optional(node.attr_float("max", 0)) : std::nullopt;
  }
  const Tensor* bound = node.inputs.size() > 2 ? graph.constant(node.inputs[2]) : nullptr;
  return bound != nullptr ? std::optional(bound->to_float().at(0)) : std::nullopt;
}

void end_at_upper_bound(const Graph& graph, const Node& node, EncodingTable& table, std::vector<std::string>& notes) {
  const std::optional<float> bound = upper_bound_of(graph, node);
  const auto at = table.find(node.outputs[0]);
  if (!bound || at == table.end() || at->second.encoding.per_channel()) return;
  quant::Encoding& encoding = at->second.encoding;
  const double top = static_cast<double>(*bound);
  if (encoding.max() <= top + 0.5 * encoding.grids[0].scale || top <= 0) return;
  notes.push_back(format("tensor '{}': its range ended at {} and now ends at {}, the upper bound of {}", graph.value(node.outputs[0]).name,
                         encoding.max(), top, node.text()));
  const quant::QuantSpec spec{.bits = encoding.bits};
  const quant::Range range{encoding.min(), top};
  encoding = quant::encoding_from_ranges(spec, std::span(&range, 1));
}

// x >= 3 passes HardSwish unchanged, x <= -3 gives zero.
quant::Range before_hard_swish(const quant::Encoding& result) {
  constexpr double kKnee = 3.0;
  const double top = std::max(result.max(), 0.0);
  // Inverse of x (x + 3) / 6 for 0 <= x <= 3.
  const double high = top >= kKnee ? top : (-kKnee + std::sqrt(kKnee * kKnee + 24 * top)) / 2;
  return {-kKnee, high};
}

// Below zero the result is slope * x: the gentlest slope gives the widest range.
std::optional<quant::Range> before_slope(const Graph& graph, const Node& node, const quant::Encoding& result) {
  std::vector<float> slopes;
  if (node.op_type == "LeakyRelu") slopes = {node.attr_float("alpha", 0.01f)};
  if (node.op_type == "PRelu" && graph.is_constant(node.inputs[1])) slopes = graph.constant(node.inputs[1])->to_float();
  const auto gentlest = std::ranges::min_element(slopes);
  if (gentlest == slopes.end() || *gentlest <= 0) return std::nullopt;
  return quant::Range{std::min(result.min(), 0.0) / static_cast<double>(*gentlest), std::max(result.max(), 0.0)};
}

std::optional<quant::Encoding> implied_encoding(const Graph& graph, const Node& node, const quant::Encoding& result) {
  std::optional<quant::Range> range;
  if (node.op_type == "HardSwish") range = before_hard_swish(result);
  if (is_one_of(node.op_type, {"LeakyRelu", "PRelu"})) range = before_slope(graph, node, result);
  if (!range) return std::nullopt;
  const quant::QuantSpec spec{.bits = result.bits};
  return quant::encoding_from_ranges(spec, std::span(&*range, 1));
}

// The encoding of the tensor between an op and the function fused into it.
void settle_inner_tensor(const model::ModelState& state, const Node& node, EncodingTable& table, std::vector<std::string>& notes) {
  if (node.inputs.empty() || node.inputs[0] == ir::kNoValue || state.plan.requested_float.contains(node.inputs[0])) return;
  const Graph& graph = state.graph;
  const ValueId inner = node.inputs[0];
  const Node* before = producer(graph, inner);
  const quant::Encoding* result = model::find_encoding(table, node.outputs[0]);
  if (before == nullptr || result == nullptr || !absorbs_activation(*before)) return;
  const bool missing = !table.contains(inner);
  const bool only_reader = graph.single_user(inner) == node.id;
  if (is_clip(node) && (missing || only_reader)) {
    table[inner] = {.encoding = *result, .source = "fused"};
  } else if (missing) {
    if (const auto implied = implied_encoding(graph, node, *result)) {
      table[inner] = {.encoding = *implied, .source = "implied"};
      notes.push_back(format("tensor '{}' had no encoding; its range follows from that of {}", graph.value(inner).name, node.text()));
    }
  }
}

}  // namespace

EncodingTable effective_encodings(const model::ModelState& state, std::vector<std::string>& notes) {
  EncodingTable table = state.encodings;
  const std::vector<ir::NodeId> order = state.graph.topological_order();
  for (const ir::NodeId id : order) precede_view(state, state.graph.node(id), table);
  for (const ir::NodeId id : order) end_at_upper_bound(state.graph, state.graph.node(id), table, notes);
  for (const ir::NodeId id : order) settle_inner_tensor(state, state.graph.node(id), table, notes);
  for (const ir::NodeId id : order) follow_moved_data(state, state.graph.node(id), table);
  return table;
}

}  // namespace qtool::exporters::dlc
