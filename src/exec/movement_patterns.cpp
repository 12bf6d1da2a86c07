#include "movement_patterns.h"

#include "cuts.h"

namespace qtool::exec {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::Node;
using ir::ValueId;

bool typed(const Graph& graph, ValueId id) { return id != ir::kNoValue && graph.value(id).type.has_value(); }

// [N, G * K, spatial...] as [N, G, K, spatial...].
bool splits_channels(const Shape& from, const Shape& to) {
  if (from.rank() < 3 || to.rank() != from.rank() + 1 || from[0] != to[0] || to[1] * to[2] != from[1]) return false;
  return std::equal(from.begin() + 2, from.end(), to.begin() + 3);
}

// 0, 1, 3, ..., rank - 1, 2
bool moves_axis_2_last(const std::vector<int64_t>& perm) {
  const auto rank = static_cast<int64_t>(perm.size());
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t expected = i < 2 ? i : i + 1 < rank ? i + 1 : 2;
    if (perm[static_cast<size_t>(i)] != expected) return false;
  }
  return rank > 3;
}

std::optional<Overlay> overlay_of_part(const Graph& graph, const Node& concat, size_t part, size_t axis, int64_t begin) {
  const ir::NodeId id = graph.producer(concat.inputs[part]);
  if (id == kNoNode || graph.node(id).op_type != "Slice" || !graph.node(id).domain.empty()) return std::nullopt;
  const Node& slice = graph.node(id);
  if (graph.single_user(concat.inputs[part]) != concat.id || !typed(graph, slice.inputs[0])) return std::nullopt;
  if (graph.type_of(slice.inputs[0]) != graph.type_of(concat.outputs[0])) return std::nullopt;
  const auto cuts = slice_cuts({.graph = graph, .node = slice});
  if (!cuts || cuts->axis != axis || cuts->pieces[0].begin != begin) return std::nullopt;
  return Overlay{slice.inputs[0], part};
}

}  // namespace

const Node* find_grouped_transpose(const Graph& graph, const Node& reshape) {
  if (reshape.op_type != "Reshape" || !reshape.domain.empty()) return nullptr;
  const ValueId from = reshape.inputs[0], to = reshape.outputs[0];
  if (!typed(graph, from) || !typed(graph, to) || graph.type_of(from).dtype != DType::kFloat32) return nullptr;
  if (!splits_channels(graph.type_of(from).shape, graph.type_of(to).shape)) return nullptr;
  const ir::NodeId user = graph.single_user(to);
  if (user == kNoNode || graph.node(user).op_type != "Transpose" || !graph.node(user).domain.empty()) return nullptr;
  return moves_axis_2_last(graph.node(user).attr_ints("perm")) ? &graph.node(user) : nullptr;
}

std::optional<Overlay> find_overlay(const Graph& graph, const Node& concat) {
  if (concat.op_type != "Concat" || !concat.domain.empty() || !typed(graph, concat.outputs[0])) return std::nullopt;
  const TensorType& type = graph.type_of(concat.outputs[0]);
  if (type.dtype != DType::kFloat32 || type.shape.rank() < 2) return std::nullopt;
  const size_t axis = type.shape.normalize_axis(concat.attr_int("axis", 1));
  if (type.shape.span_count(0, axis) == 1) return std::nullopt;
  int64_t begin = 0;
  std::optional<Overlay> largest;
  int64_t most = 0;
  for (size_t part = 0; part < concat.inputs.size(); ++part) {
    if (!typed(graph, concat.inputs[part])) return std::nullopt;
    const int64_t size = graph.type_of(concat.inputs[part]).shape[axis];
    if (size > most) {
      if (const auto found = overlay_of_part(graph, concat, part, axis, begin)) {
        largest = found;
        most = size;
      }
    }
    begin += size;
  }
  return largest;
}

}  // namespace qtool::exec
