#include "many_axes.h"

#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"

namespace qtool::passes {

using ir::Graph;
using ir::ValueId;

namespace {

constexpr int64_t kReshapeSince = 5;

void add_reshape(Graph& graph, ValueId source, ValueId target, std::string_view name, int64_t opset) {
  const ValueId shape = add_constant(graph, format("{}.shape", name), int_tensor(graph.type_of(target).shape.dims()));
  graph.add_node({.name = std::string(name), .op_type = "Reshape", .opset = std::max(opset, kReshapeSince),
                  .inputs = {source, shape}, .outputs = {target}});
}

int64_t opset_near(const Graph& graph, ValueId value) {
  const ir::NodeId id = graph.producer(value) != ir::kNoNode ? graph.producer(value) : graph.value(value).uses.at(0);
  return graph.node(id).opset;
}

void swap_names(Graph& graph, ValueId a, ValueId b) {
  const std::string first = graph.value(a).name, second = graph.value(b).name;
  graph.rename_value(a, graph.unique_name(first + ".swapped"));
  graph.rename_value(b, first);
  graph.rename_value(a, second);
}

}  // namespace

ValueId view_of(Graph& graph, ValueId value, const Shape& shape, std::string_view stem) {
  if (const Tensor* constant = graph.constant(value)) return add_constant(graph, graph.value(value).name + ".view", constant->reshaped(shape));
  const DType dtype = graph.type_of(value).dtype;
  if (graph.type_of(value).shape == shape) return value;
  const bool vanishes = single_producer_of(graph, value, "Reshape") != nullptr;
  const ValueId view = graph.add_value(graph.unique_name(format("{}.view", stem)), TensorType{dtype, shape});
  add_reshape(graph, value, view, format("{}.view", stem), opset_near(graph, value));
  if (vanishes) swap_names(graph, value, view);
  return view;
}

void restore_behind(Graph& graph, ir::NodeId node, size_t slot, const Shape& inner) {
  const ValueId value = graph.node(node).outputs[slot];
  const std::string name = graph.value(value).name;
  const int64_t opset = graph.node(node).opset;
  const ValueId computed = graph.add_value(graph.unique_name(name + ".inner"), TensorType{graph.type_of(value).dtype, inner});
  graph.set_output(node, slot, computed);
  add_reshape(graph, computed, value, name + ".restored", opset);
  if (!graph.is_output(value)) swap_names(graph, value, computed);
}

}  // namespace qtool::passes
