#include "concat_homes.h"

#include <algorithm>

namespace qtool::exec {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

bool typed(const Graph& graph, ValueId id) { return graph.value(id).type.has_value(); }

// One part that is no whole number of blocks shifts all behind it: the output as a whole is blocked or is not.
bool parts_are_whole_blocks(const Graph& graph, const Node& node, size_t axis, int64_t block) {
  if (axis != 1) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end() - 1, [&](ValueId part) {
    return typed(graph, part) && graph.type_of(part).shape[axis] % block == 0;
  });
}

void add_parts(const Graph& graph, const Node& node, size_t axis, int64_t block, ConcatHomes& homes) {
  const Shape& shape = graph.type_of(node.outputs[0]).shape;
  const int64_t inner = shape.span_count(axis + 1, shape.rank());
  const bool aligned = parts_are_whole_blocks(graph, node, axis, block);
  int64_t channel = 0;
  for (const ValueId part : node.inputs) {
    if (!typed(graph, part)) return;
    const bool usable = graph.producer(part) != ir::kNoNode && !graph.is_output(part) && !homes.contains(part) &&
                        std::count(node.inputs.begin(), node.inputs.end(), part) == 1;
    if (usable) homes[part] = {node.id, channel * inner, aligned};
    channel += graph.type_of(part).shape[axis];
  }
}

}  // namespace

ConcatHomes find_concat_homes(const Graph& graph, int64_t block,
                              const std::function<bool(ValueId part, ValueId joined)>& same_values) {
  ConcatHomes homes;
  for (const ir::NodeId id : graph.node_ids()) {
    const Node& node = graph.node(id);
    if (node.op_type != "Concat" || !node.domain.empty() || node.outputs.size() != 1 || node.inputs.empty()) continue;
    const ValueId joined = node.outputs[0];
    if (!typed(graph, joined)) continue;
    const TensorType& type = graph.type_of(joined);
    if (type.dtype != DType::kFloat32 || type.shape.rank() < 2) continue;
    const size_t axis = type.shape.normalize_axis(node.attr_int("axis", 1));
    if (type.shape.span_count(0, axis) != 1) continue;  // parts are contiguous in the output
    // Putting the output on another grid in place would change what other readers of a part see.
    const bool unchanged = std::all_of(node.inputs.begin(), node.inputs.end(),
                                       [&](ValueId part) { return same_values(part, joined); });
    if (unchanged) add_parts(graph, node, axis, block, homes);
  }
  return homes;
}

}  // namespace qtool::exec
