#include "wide_bias.h"

#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/quant/quantize.h"

namespace qtool::exporters {

namespace {

constexpr int kWidestNarrow = 16;

// The grid that sums of the only layer with this bias have.
std::optional<quant::Encoding> accumulator_grid(const model::ModelState& state, ir::ValueId id) {
  const ir::NodeId user = state.graph.single_user(id);
  if (user == ir::kNoNode) return std::nullopt;
  const ir::Node& node = state.graph.node(user);
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  if (def == nullptr || def->traits.weight_input < 0 || def->traits.bias_input < 0) return std::nullopt;
  const auto weight_slot = static_cast<size_t>(def->traits.weight_input), bias_slot = static_cast<size_t>(def->traits.bias_input);
  if (bias_slot >= node.inputs.size() || node.inputs[bias_slot] != id) return std::nullopt;
  const auto* input = model::find_encoding(state.encodings, node.inputs[0]);
  const auto* weight = model::find_encoding(state.encodings, node.inputs[weight_slot]);
  if (input == nullptr || weight == nullptr || input->per_channel()) return std::nullopt;
  return quant::bias_encoding(input->grids[0].scale, *weight, state.graph.constant(id)->element_count());
}

bool fits(const Tensor& values, const quant::Encoding& encoding) {
  bool all = true;
  const auto data = values.data<float>();
  quant::for_each_channel_element(values.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
    const quant::Grid& grid = encoding.grids[static_cast<size_t>(c)];
    all = all && std::abs(data[static_cast<size_t>(i)]) < grid.scale * 2147483000.0;
  });
  return all;
}

}  // namespace

std::optional<WideBias> widened_bias(const model::ModelState& state, ir::ValueId id) {
  const quant::Encoding* narrow = model::find_encoding(state.encodings, id);
  if (narrow == nullptr || narrow->bits > kWidestNarrow || !state.graph.is_constant(id)) return std::nullopt;
  std::optional<quant::Encoding> wide = accumulator_grid(state, id);
  if (!wide) return std::nullopt;
  Tensor values = quant::fake_quantize(*state.graph.constant(id), *narrow);
  if (!fits(values, *wide)) return std::nullopt;
  return WideBias{std::move(values), std::move(*wide)};
}

}  // namespace qtool::exporters
