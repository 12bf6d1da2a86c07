// Moves zero padding into the window that reads it.
// BEFORE   x -> Pad(0) -> Conv(pads p) -> y        AFTER   x -> Conv(pads p + pad) -> y        (and AveragePool)
// REQUIRES 1. mode constant with value 0, float32  2. the pads are constants, not negative, on spatial axes only
//          3. one reader  4. AveragePool counts padding in its divisor (count_include_pad), or has no padding of its own
//          and starts to count it; padding stays below the window size, which runtimes demand
//          MaxPool is left alone: its own padding is minus infinity.
// FORMULA  -
// SOURCE   -
#include <algorithm>

#include "qtool/ops/window.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;

constexpr int64_t kPadsAreInputSince = 11;

bool pads_with_zero(const Graph& graph, const Node& node) {
  if (node.attr_string("mode", "constant") != "constant") return false;
  if (node.opset < kPadsAreInputSince) return node.attr_float("value", 0.0f) == 0.0f;
  return input_of(node, 2) == kNoValue || scalar_constant(graph, node.inputs[2]) == 0.0;
}

struct SpatialPads {
  std::vector<int64_t> begin, end;
};

std::optional<SpatialPads> spatial_pads(const Graph& graph, const Node& node) {
  const TensorType* type = known_type(graph, node.inputs[0]);
  const auto pads = int_list(graph, node, "pads", 1, kPadsAreInputSince);
  if (type == nullptr || type->dtype != DType::kFloat32 || type->shape.rank() < 3 || !pads) return std::nullopt;
  const size_t rank = type->shape.rank();
  std::vector<int64_t> axes;
  if (node.opset >= kPadsAreInputSince && input_of(node, 3) != kNoValue) {
    const Tensor* given = constant_input(graph, node, 3);
    if (given == nullptr) return std::nullopt;
    axes = given->to_int64();
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  SpatialPads result{std::vector<int64_t>(rank - 2, 0), std::vector<int64_t>(rank - 2, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t before = (*pads)[i], after = (*pads)[axes.size() + i];
    const size_t axis = type->shape.normalize_axis(axes[i]);
    if (before < 0 || after < 0 || (axis < 2 && before + after > 0)) return std::nullopt;
    if (axis < 2) continue;
    result.begin[axis - 2] = before;
    result.end[axis - 2] = after;
  }
  return result;
}

std::optional<ops::WindowParams> window_of(const Graph& graph, const Node& node) {
  const TensorType* input = known_type(graph, node.inputs[0]);
  if (input == nullptr) return std::nullopt;
  if (is_op(node, "Conv")) {
    const TensorType* weight = known_type(graph, input_of(node, 1));
    if (weight == nullptr) return std::nullopt;
    return ops::conv_window(node, input->shape, weight->shape);
  }
  if (is_op(node, "AveragePool")) return ops::pool_window(node, input->shape);
  return std::nullopt;
}

bool all_zero(const std::vector<int64_t>& pads) {
  return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
}

bool pool_can_count(const Node& node, const ops::WindowParams& own, const SpatialPads& extra) {
  // With auto_pad the divisor follows rules of its own.
  if (node.attr_string("auto_pad", "NOTSET") != "NOTSET") return false;
  const bool counts = node.attr_int("count_include_pad", 0) != 0;
  if (!counts && !(all_zero(own.pads_begin) && all_zero(own.pads_end))) return false;
  for (size_t i = 0; i < own.rank(); ++i) {
    if (own.pads_begin[i] + extra.begin[i] >= own.kernel[i] || own.pads_end[i] + extra.end[i] >= own.kernel[i]) return false;
  }
  return true;
}

bool merge(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& node = graph.node(id);
  const auto window = window_of(graph, node);
  if (!window) return false;
  const ir::ValueId padded = node.inputs[0];
  const Node* pad = single_producer_of(graph, padded, "Pad");
  if (pad == nullptr || !pads_with_zero(graph, *pad)) return false;
  const auto extra = spatial_pads(graph, *pad);
  if (!extra || extra->begin.size() != window->rank()) return false;
  if (is_op(node, "AveragePool") && !pool_can_count(node, *window, *extra)) return false;

  std::vector<int64_t> pads;
  for (size_t i = 0; i < window->rank(); ++i) pads.push_back(window->pads_begin[i] + extra->begin[i]);
  for (size_t i = 0; i < window->rank(); ++i) pads.push_back(window->pads_end[i] + extra->end[i]);
  Node& changed = graph.node(id);
  changed.attributes.erase("auto_pad");
  changed.attributes["pads"] = std::move(pads);
  if (is_op(changed, "AveragePool")) changed.attributes["count_include_pad"] = int64_t{1};
  graph.set_input(id, 0, pad->inputs[0]);
  prune(graph, padded);
  return true;
}

}  // namespace

void register_merge_pad(Registry& registry) {
  registry.add_rewrite({.name = "merge_pad",
                        .summary = "Moves zero padding into the convolution or average pooling that reads it.",
                        .category = PassCategory::kCleanup,
                        .order = 50},
                       merge);
}

}  // namespace qtool::passes
