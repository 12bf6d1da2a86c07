// Removes nodes that hand their input on unchanged.
// BEFORE   x -> Identity -> y -> ...        AFTER   x -> ...
// REQUIRES one of: Identity; Dropout in inference; Cast to the type it has; Reshape, Flatten, Squeeze, Unsqueeze, Expand
//          or Tile that keeps the shape; Transpose that keeps the axes longer than 1 in order and the shape; Slice with
//          positive steps that keeps the shape; Pad by nothing; Concat, Max, Min, Sum or Mean of one tensor; x * 1, x / 1,
//          x + 0, x - 0.
//          Where y is a graph output, x takes its name; if x is itself a graph input, output or constant the node stays.
// FORMULA  y = x
// SOURCE   the definitions of the operators in the ONNX standard
#include <algorithm>
#include <array>
#include <string_view>

#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;

template <size_t n>
bool is_one_of(const Node& node, const std::array<std::string_view, n>& types) {
  return node.domain.empty() && std::find(types.begin(), types.end(), node.op_type) != types.end();
}

bool is_idle_dropout(const Graph& graph, const Node& node) {
  if (uses_extra_outputs(graph, node)) return false;
  if (input_of(node, 2) == kNoValue) return true;
  const Tensor* training = constant_input(graph, node, 2);
  return training != nullptr && training->element_count() == 1 && training->to_int64()[0] == 0;
}

bool is_idle_transpose(const Graph& graph, const Node& node) {
  const Shape& shape = known_type(graph, node.inputs[0])->shape;
  std::vector<int64_t> permutation = node.attr_ints("perm");
  if (permutation.empty()) {
    for (size_t i = shape.rank(); i-- > 0;) permutation.push_back(static_cast<int64_t>(i));
  }
  int64_t last = -1;
  for (const int64_t axis : permutation) {
    if (shape[static_cast<size_t>(axis)] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

bool is_idle_slice(const Graph& graph, const Node& node) {
  constexpr int64_t kStepsSince = 10;
  if (node.opset < kStepsSince || input_of(node, 4) == kNoValue) return true;
  const Tensor* steps = constant_input(graph, node, 4);
  if (steps == nullptr) return false;
  const std::vector<int64_t> values = steps->to_int64();
  return std::all_of(values.begin(), values.end(), [](int64_t step) { return step > 0; });
}

bool is_idle_pad(const Graph& graph, const Node& node) {
  const auto pads = int_list(graph, node, "pads", 1, 11);
  return pads && std::all_of(pads->begin(), pads->end(), [](int64_t pad) { return pad == 0; });
}

// x * 1 and the like; the constant must not stand on the left of - and /.
bool is_neutral_arithmetic(const Graph& graph, const Node& node) {
  const bool product = is_op(node, "Mul") || is_op(node, "Div");
  if (!product && !is_op(node, "Add") && !is_op(node, "Sub")) return false;
  return scalar_constant(graph, node.inputs[1]) == (product ? 1.0 : 0.0);
}

bool keeps_shape(const Graph& graph, const Node& node) {
  static constexpr std::array<std::string_view, 7> kViews{"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile", "Cast"};
  if (!same_known_type(graph, node.inputs[0], node.outputs[0])) return false;
  if (is_one_of(node, kViews) || is_neutral_arithmetic(graph, node)) return true;
  if (is_op(node, "Transpose")) return is_idle_transpose(graph, node);
  if (is_op(node, "Slice")) return is_idle_slice(graph, node);
  if (is_op(node, "Pad")) return is_idle_pad(graph, node);
  return false;
}

bool is_idle(const Graph& graph, const Node& node) {
  static constexpr std::array<std::string_view, 5> kJoins{"Concat", "Max", "Min", "Sum", "Mean"};
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs[0] == kNoValue) return false;
  if (is_op(node, "Identity")) return true;
  if (is_op(node, "Dropout")) return is_idle_dropout(graph, node);
  if (is_one_of(node, kJoins)) return node.inputs.size() == 1;
  return keeps_shape(graph, node);
}

bool remove(model::ModelState& state, ir::NodeId id) {
  const Node& node = state.graph.node(id);
  return is_idle(state.graph, node) && redirect(state.graph, node.outputs[0], node.inputs[0]);
}

}  // namespace

void register_remove_identity(Registry& registry) {
  registry.add_rewrite({.name = "remove_identity",
                        .summary = "Removes nodes that do nothing: Identity, Dropout, reshapes to the same shape, ...",
                        .category = PassCategory::kCleanup,
                        .order = 20},
                       remove);
}

}  // namespace qtool::passes
