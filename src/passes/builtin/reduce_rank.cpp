// Operators that treat several neighbouring axes alike, on fewer axes, where there are more than backends have.
// BEFORE   x (six or more axes) -> Add, Relu, MatMul, Softmax, LayerNormalization, Concat, Slice, Gather, Tile, ... -> y
// AFTER    x -> Reshape -> the operator -> Reshape -> y
// REQUIRES settled shapes without an empty axis; one axis is special at most, or reduced axes are neighbours; constant
//          indices, bounds and axes; Softmax from operator set 13
// FORMULA  element-wise: neighbours along which every operand is stretched, or none, are one axis. Along an axis: all in
//          front are one, all behind are one
// SOURCE   row-major order of elements, numpy broadcasting
#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "many_axes.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;

// A node on fewer axes.
struct Merged {
  std::map<size_t, Shape> inputs;      // by slot; others stay
  std::vector<Shape> outputs;
  std::map<std::string, ir::Attribute> attributes;
  std::map<size_t, std::vector<int64_t>> lists;  // by slot: constant lists of integers
};

using Rule = std::function<std::optional<Merged>(const Graph&, const Node&)>;

const Shape& shape_of(const Graph& graph, ir::ValueId value) { return graph.type_of(value).shape; }

// Extents of an operand with the axes of the result: missing ones have extent 1.
std::vector<int64_t> aligned(const Shape& operand, size_t rank) {
  std::vector<int64_t> dims(rank - operand.rank(), 1);
  dims.insert(dims.end(), operand.begin(), operand.end());
  return dims;
}

// Numbers of axes that can be one, from the front: `operands` are aligned to `result` and broadcast to it.
std::vector<size_t> broadcast_runs(const Shape& result, const std::vector<std::vector<int64_t>>& operands) {
  std::vector<size_t> runs;
  std::vector<bool> before;
  for (size_t axis = 0; axis < result.rank(); ++axis) {
    std::vector<bool> stretched;
    for (const auto& operand : operands) stretched.push_back(operand[axis] != result[axis]);
    if (result[axis] == 1 && !runs.empty()) {
      ++runs.back();
    } else if (!runs.empty() && (before.empty() || stretched == before)) {
      ++runs.back();
      before = stretched;
    } else {
      runs.push_back(1);
      if (result[axis] != 1) before = stretched;
    }
  }
  return runs;
}

Shape merged(const std::vector<int64_t>& dims, const std::vector<size_t>& runs) {
  const Shape whole(dims);
  std::vector<int64_t> result;
  size_t axis = 0;
  for (const size_t run : runs) {
    result.push_back(whole.span_count(axis, axis + run));
    axis += run;
  }
  return Shape(result);
}

// Operands in the first `slots` slots broadcast to the only output; `kept` axes at the end stay (those of a matrix).
std::optional<Merged> merge_broadcast(const Graph& graph, const Node& node, size_t slots, size_t kept) {
  const Shape& result = shape_of(graph, node.outputs[0]);
  const size_t rank = result.rank(), batch = rank - kept;
  const Shape batch_result(std::vector<int64_t>(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(batch)));
  std::map<size_t, std::vector<int64_t>> operands;
  std::vector<std::vector<int64_t>> batches;
  for (size_t slot = 0; slot < std::min(slots, node.inputs.size()); ++slot) {
    if (input_of(node, slot) == ir::kNoValue || shape_of(graph, node.inputs[slot]).rank() < std::max<size_t>(kept, 1)) continue;
    operands[slot] = aligned(shape_of(graph, node.inputs[slot]), rank);
    batches.emplace_back(operands[slot].begin(), operands[slot].begin() + static_cast<std::ptrdiff_t>(batch));
  }
  std::vector<size_t> runs = broadcast_runs(batch_result, batches);
  runs.insert(runs.end(), kept, 1);
  if (runs.size() > kMostAxes) return std::nullopt;
  Merged plan{.inputs = {}, .outputs = {merged(result.dims(), runs)}, .attributes = {}, .lists = {}};
  for (const auto& [slot, dims] : operands) plan.inputs[slot] = merged(dims, runs);
  return plan;
}

std::optional<Merged> merge_elementwise(const Graph& graph, const Node& node) { return merge_broadcast(graph, node, node.inputs.size(), 0); }

// Bounds and the like in the other slots are single values.
std::optional<Merged> merge_first(const Graph& graph, const Node& node) { return merge_broadcast(graph, node, 1, 0); }

std::optional<Merged> merge_product(const Graph& graph, const Node& node) {
  for (const ir::ValueId input : node.inputs) {
    if (shape_of(graph, input).rank() < 2) return std::nullopt;
  }
  return merge_broadcast(graph, node, 2, 2);
}

std::optional<Merged> merge_expand(const Graph& graph, const Node& node) {
  auto plan = merge_first(graph, node);
  if (plan) plan->lists[1] = plan->outputs[0].dims();
  return plan;
}

// An axis that is repeated and those behind it that are not repeat as one.
std::optional<Merged> merge_tile(const Graph& graph, const Node& node) {
  const Tensor* repeats = constant_input(graph, node, 1);
  if (repeats == nullptr) return std::nullopt;
  std::vector<size_t> runs;
  std::vector<int64_t> counts;
  for (const int64_t count : repeats->to_int64()) {
    if (count == 1 && !runs.empty()) {
      ++runs.back();
    } else {
      runs.push_back(1);
      counts.push_back(count);
    }
  }
  if (runs.size() > kMostAxes) return std::nullopt;
  return Merged{.inputs = {{0, merged(shape_of(graph, node.inputs[0]).dims(), runs)}},
                .outputs = {merged(shape_of(graph, node.outputs[0]).dims(), runs)}, .attributes = {}, .lists = {{1, counts}}};
}

// [everything in front, axes first .. first + count - 1, everything behind if there is something]
Shape around(const Shape& shape, size_t first, size_t count) {
  const size_t behind = first + count;
  Shape result{shape.span_count(0, first), shape.span_count(first, behind), shape.span_count(behind, shape.rank())};
  return behind < shape.rank() ? result : Shape{result[0], result[1]};
}

Shape without_middle(const Shape& shape) { return shape.rank() == 2 ? Shape{shape[0]} : Shape{shape[0], shape[2]}; }

// The first `inputs` inputs and all outputs have the special axis in the same place.
Merged along(const Graph& graph, const Node& node, size_t axis, size_t inputs) {
  Merged plan;
  for (size_t slot = 0; slot < inputs; ++slot) plan.inputs[slot] = around(shape_of(graph, node.inputs[slot]), axis, 1);
  for (const ir::ValueId output : node.outputs) plan.outputs.push_back(around(shape_of(graph, output), axis, 1));
  return plan;
}

std::optional<Merged> merge_along_attribute(const Graph& graph, const Node& node, int64_t fallback, size_t inputs) {
  const size_t axis = shape_of(graph, node.inputs[0]).normalize_axis(node.attr_int("axis", fallback));
  Merged plan = along(graph, node, axis, inputs);
  plan.attributes["axis"] = int64_t{1};
  return plan;
}

std::optional<Merged> merge_softmax(const Graph& graph, const Node& node) {
  constexpr int64_t kOneAxisSince = 13;
  return node.opset < kOneAxisSince ? std::nullopt : merge_along_attribute(graph, node, -1, 1);
}

std::optional<Merged> merge_layer_norm(const Graph& graph, const Node& node) {
  const Shape& x = shape_of(graph, node.inputs[0]);
  const bool last_axis = x.normalize_axis(node.attr_int("axis", -1)) + 1 == x.rank();
  return !last_axis || node.outputs.size() > 1 ? std::nullopt : merge_along_attribute(graph, node, -1, 1);
}

std::optional<Merged> merge_split(const Graph& graph, const Node& node) { return merge_along_attribute(graph, node, 0, 1); }

std::optional<Merged> merge_concat(const Graph& graph, const Node& node) {
  return merge_along_attribute(graph, node, 0, node.inputs.size());
}

std::optional<Merged> merge_gather(const Graph& graph, const Node& node) {
  const Tensor* indices = constant_input(graph, node, 1);
  if (indices == nullptr || indices->shape().rank() > 1) return std::nullopt;
  const Shape& x = shape_of(graph, node.inputs[0]);
  const size_t axis = x.normalize_axis(node.attr_int("axis", 0));
  Shape source = around(x, axis, 1), result = source;
  result[1] = indices->element_count();
  if (indices->shape().rank() == 0) result = without_middle(source);
  return Merged{.inputs = {{0, source}}, .outputs = {result}, .attributes = {{"axis", int64_t{1}}}, .lists = {}};
}

std::optional<Merged> merge_slice(const Graph& graph, const Node& node) {
  constexpr int64_t kInputsSince = 10;
  const Tensor *starts = constant_input(graph, node, 1), *axes = constant_input(graph, node, 3);
  if (node.opset < kInputsSince || starts == nullptr || starts->element_count() != 1) return std::nullopt;
  if (axes == nullptr && input_of(node, 3) != ir::kNoValue) return std::nullopt;
  const size_t axis = shape_of(graph, node.inputs[0]).normalize_axis(axes == nullptr ? 0 : axes->to_int64()[0]);
  Merged plan = along(graph, node, axis, 1);
  plan.lists[3] = {1};
  return plan;
}

Rule merge_reduction(int64_t input_since) {
  return [input_since](const Graph& graph, const Node& node) -> std::optional<Merged> {
    const auto written = int_list(graph, node, "axes", 1, input_since);
    if (!written || written->empty()) return std::nullopt;
    const Shape& x = shape_of(graph, node.inputs[0]);
    std::vector<size_t> axes;
    for (const int64_t axis : *written) axes.push_back(x.normalize_axis(axis));
    std::ranges::sort(axes);
    if (axes.back() - axes.front() + 1 != axes.size()) return std::nullopt;
    Shape source = around(x, axes.front(), axes.size()), result = source;
    result[1] = 1;
    if (node.attr_int("keepdims", 1) == 0) result = without_middle(source);
    Merged plan{.inputs = {{0, source}}, .outputs = {result}, .attributes = {}, .lists = {}};
    if (node.opset >= input_since) plan.lists[1] = {1};
    else plan.attributes["axes"] = std::vector<int64_t>{1};
    return plan;
  };
}

const std::map<std::string, Rule, std::less<>>& rules() {
  static const auto table = [] {
    std::map<std::string, Rule, std::less<>> rules{{"Clip", merge_first}, {"MatMul", merge_product}, {"Expand", merge_expand}, {"Softmax", merge_softmax},
                                                   {"LogSoftmax", merge_softmax}, {"LayerNormalization", merge_layer_norm}, {"Tile", merge_tile}, {"Split", merge_split}, {"Concat", merge_concat},
                                                   {"Gather", merge_gather}, {"Slice", merge_slice}, {"ReduceSum", merge_reduction(13)}};
    for (const char* type : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd", "ReduceSumSquare"}) rules[type] = merge_reduction(18);
    for (const char* type : {"Abs", "Add", "And", "Cast", "Ceil", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater",
                             "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul",
                             "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt",
                             "Sub", "Sum", "Tanh", "Where"}) {
      rules[type] = merge_elementwise;
    }
    return rules;
  }();
  return table;
}

// The shapes of everything the node touches are settled, and one has too many axes.
bool has_many_axes(const Graph& graph, const Node& node) {
  bool many = false;
  for (const auto* values : {&node.inputs, &node.outputs}) {
    for (const ir::ValueId value : *values) {
      if (value == ir::kNoValue) continue;
      const TensorType* type = known_type(graph, value);
      if (type == nullptr || type->shape.element_count() == 0) return false;
      many = many || type->shape.rank() > kMostAxes;
    }
  }
  return many;
}

bool reduce(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& node = graph.node(id);
  const auto rule = rules().find(node.op_type);
  if (!node.domain.empty() || rule == rules().end() || !has_many_axes(graph, node)) return false;
  const auto plan = rule->second(graph, node);
  if (!plan) return false;
  const std::string name = node.name;
  for (const auto& [slot, shape] : plan->inputs) {
    graph.set_input(id, slot, view_of(graph, graph.node(id).inputs[slot], shape, format("{}.{}", name, slot)));
  }
  for (const auto& [slot, list] : plan->lists) {
    graph.set_input(id, slot, add_constant(graph, format("{}.list{}", name, slot), int_tensor(list)));
  }
  for (const auto& [key, attribute] : plan->attributes) graph.node(id).attributes[key] = attribute;
  for (size_t slot = 0; slot < plan->outputs.size(); ++slot) {
    if (graph.node(id).outputs[slot] != ir::kNoValue) restore_behind(graph, id, slot, plan->outputs[slot]);
  }
  return true;
}

}  // namespace

void register_reduce_rank(Registry& registry) {
  registry.add_rewrite({.name = "reduce_rank",
                        .summary = "Runs operators of more than five axes on fewer, where they treat axes alike.",
                        .category = PassCategory::kCleanup,
                        .order = 49},
                       reduce);
}

}  // namespace qtool::passes
