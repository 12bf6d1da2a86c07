#include "qtool/ops/interpreter.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "qtool/ir/subgraph.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

// A Loop without trip count whose condition never turns false would not end.
constexpr int64_t kMostIterations = 10'000'000;

using Captured = std::map<std::string, Tensor>;

// The slice at `index` along `axis`, without that axis.
Tensor take_slice(const Tensor& tensor, size_t axis, int64_t index) {
  std::vector<int64_t> dims = tensor.shape().dims();
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  Tensor slice(tensor.dtype(), Shape(std::move(dims)));
  const auto inner = static_cast<size_t>(tensor.shape().span_count(axis + 1, tensor.shape().rank())) *
                     dtype_size_bytes(tensor.dtype());
  const int64_t outer = tensor.shape().span_count(0, axis);
  for (int64_t i = 0; inner > 0 && i < outer; ++i) {
    std::memcpy(static_cast<std::byte*>(slice.mutable_raw()) + static_cast<size_t>(i) * inner,
                tensor.bytes().data() + static_cast<size_t>(i * tensor.shape()[axis] + index) * inner, inner);
  }
  return slice;
}

// Joins equal-shaped slices along a new axis.
Tensor stack_slices(const std::vector<Tensor>& slices, size_t axis) {
  const Tensor& first = slices.front();
  std::vector<int64_t> dims = first.shape().dims();
  if (axis > dims.size()) throw Error(ErrorCode::kInvalidModel, "the axis of a scan output is outside its shape");
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), static_cast<int64_t>(slices.size()));
  Tensor result(first.dtype(), Shape(std::move(dims)));
  const auto inner = static_cast<size_t>(first.shape().span_count(axis, first.shape().rank())) * dtype_size_bytes(first.dtype());
  const int64_t outer = first.shape().span_count(0, axis);
  for (size_t s = 0; s < slices.size(); ++s) {
    if (slices[s].type() != first.type()) {
      throw Error(ErrorCode::kUnsupported, "the slices of a scan output change their shape between iterations");
    }
    for (int64_t i = 0; inner > 0 && i < outer; ++i) {
      std::memcpy(static_cast<std::byte*>(result.mutable_raw()) + (static_cast<size_t>(i) * slices.size() + s) * inner,
                  slices[s].bytes().data() + static_cast<size_t>(i) * inner, inner);
    }
  }
  return result;
}

Tensor no_slices(const Graph& body, size_t output) {
  const auto& type = body.value(body.outputs[output]).type;
  std::vector<int64_t> dims = type ? type->shape.dims() : std::vector<int64_t>{};
  dims.insert(dims.begin(), 0);
  return {type ? type->dtype : DType::kFloat32, Shape(std::move(dims))};
}

bool truth_of(const Tensor& tensor) {
  if (tensor.element_count() != 1) {
    throw Error(ErrorCode::kInvalidModel, format("a condition has shape {}, expected one element", tensor.shape().text()));
  }
  return tensor.to_int64()[0] != 0;
}

class Interpreter {
 public:
  Interpreter(const Registry& registry, const NodeObserver& observe) : registry_(registry), observe_(observe) {}

  std::vector<Tensor> run(const Graph& graph, std::span<const Tensor> inputs, const Captured& captured) const {
    if (inputs.size() != graph.inputs.size()) {
      throw Error(ErrorCode::kInvalidData, format("the graph has {} inputs, {} are given", graph.inputs.size(), inputs.size()));
    }
    std::vector<std::optional<Tensor>> values(graph.value_capacity());
    std::vector<size_t> reads_left(graph.value_capacity(), 0);
    for (const ValueId id : graph.value_ids()) {
      const ir::Value& value = graph.value(id);
      reads_left[slot(id)] = value.uses.size() + (graph.is_output(id) ? 1 : 0);
      if (value.constant) values[slot(id)] = *value.constant;
    }
    for (const auto& [name, tensor] : captured) {
      if (const ValueId id = graph.find_value(name); id != kNoValue) values[slot(id)] = tensor;
    }
    for (size_t i = 0; i < inputs.size(); ++i) values[slot(graph.inputs[i])] = inputs[i];

    for (const NodeId id : graph.topological_order()) {
      const Node& node = graph.node(id);
      std::vector<const Tensor*> arguments;
      for (const ValueId input : node.inputs) {
        if (input != kNoValue && !values[slot(input)]) {
          throw Error(ErrorCode::kInvalidModel, "the node reads a tensor that has no value")
              .with("node", node.name).with("tensor", graph.value(input).name);
        }
        arguments.push_back(input == kNoValue ? nullptr : &*values[slot(input)]);
      }
      std::vector<Tensor> results = run_node(node, std::move(arguments));
      if (observe_) observe_(node, results);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == kNoValue) continue;
        if (i >= results.size()) {
          throw Error(ErrorCode::kUnsupported, format("output {} of this operator is not supported", i))
              .with("node", node.name).with("op", node.op_type);
        }
        values[slot(node.outputs[i])] = std::move(results[i]);
      }
      for (const ValueId input : node.inputs) {
        if (input != kNoValue && --reads_left[slot(input)] == 0) values[slot(input)].reset();
      }
    }
    std::vector<Tensor> outputs;
    for (const ValueId id : graph.outputs) {
      if (!values[slot(id)]) throw Error(ErrorCode::kInvalidModel, "an output has no value").with("tensor", graph.value(id).name);
      outputs.push_back(*values[slot(id)]);
    }
    return outputs;
  }

 private:
  static size_t slot(ValueId id) { return static_cast<size_t>(id); }

  std::vector<Tensor> run_node(const Node& node, std::vector<const Tensor*> arguments) const {
    if (!is_interpreted_control_flow(node)) {
      return evaluate_node(registry_.at(node), EvalContext(node, std::move(arguments)));
    }
    try {
      if (node.op_type == "If") return run_if(node, arguments);
      if (node.op_type == "Loop") return run_loop(node, arguments);
      return run_scan(node, arguments);
    } catch (Error& error) {
      error.with("node", node.name).with("op", node.op_type);
      throw;
    }
  }

  // Tensors of the graph around, as the trailing inputs of the node give them.
  static Captured captured_by(const Node& node, const std::vector<const Tensor*>& arguments) {
    Captured captured;
    const size_t first = ir::explicit_input_count(node);
    const std::vector<std::string> names = ir::captures(node);
    for (size_t i = 0; i < names.size() && first + i < arguments.size(); ++i) {
      if (arguments[first + i] != nullptr) captured.emplace(names[i], *arguments[first + i]);
    }
    return captured;
  }

  static const Graph& body_of(const Node& node, std::string_view key) {
    const Graph* body = node.attr_graph(key);
    if (body == nullptr) throw Error(ErrorCode::kInvalidModel, format("attribute '{}' is missing", key));
    return *body;
  }

  std::vector<Tensor> run_if(const Node& node, const std::vector<const Tensor*>& arguments) const {
    if (arguments.empty() || arguments[0] == nullptr) throw Error(ErrorCode::kInvalidModel, "the condition is missing");
    const Graph& body = body_of(node, truth_of(*arguments[0]) ? "then_branch" : "else_branch");
    return run(body, {}, captured_by(node, arguments));
  }

  std::vector<Tensor> run_loop(const Node& node, const std::vector<const Tensor*>& arguments) const {
    const Graph& body = body_of(node, "body");
    const size_t explicit_inputs = ir::explicit_input_count(node);
    if (explicit_inputs < 2 || body.inputs.size() != explicit_inputs || body.outputs.size() + 1 < explicit_inputs) {
      throw Error(ErrorCode::kInvalidModel, "inputs and outputs of the loop body do not match the node");
    }
    const Captured captured = captured_by(node, arguments);
    const int64_t trips = arguments[0] ? arguments[0]->to_int64().at(0) : kMostIterations;
    bool condition = arguments[1] ? truth_of(*arguments[1]) : true;
    std::vector<Tensor> carried;
    for (size_t i = 2; i < explicit_inputs; ++i) {
      if (arguments[i] == nullptr) throw Error(ErrorCode::kInvalidModel, "a loop-carried input is missing");
      carried.push_back(*arguments[i]);
    }
    const size_t scan_count = body.outputs.size() - 1 - carried.size();
    std::vector<std::vector<Tensor>> scanned(scan_count);
    int64_t trip = 0;
    for (; condition && trip < trips; ++trip) {
      std::vector<Tensor> inputs{Tensor::scalar(trip), Tensor::scalar(condition)};
      inputs.insert(inputs.end(), carried.begin(), carried.end());
      std::vector<Tensor> outputs = run(body, inputs, captured);
      condition = truth_of(outputs[0]);
      for (size_t i = 0; i < carried.size(); ++i) carried[i] = std::move(outputs[1 + i]);
      for (size_t i = 0; i < scan_count; ++i) scanned[i].push_back(std::move(outputs[1 + carried.size() + i]));
    }
    if (trip == kMostIterations) throw Error(ErrorCode::kUnsupported, "the loop does not end");
    std::vector<Tensor> results = carried;
    for (size_t i = 0; i < scan_count; ++i) {
      results.push_back(scanned[i].empty() ? no_slices(body, 1 + carried.size() + i) : stack_slices(scanned[i], 0));
    }
    return results;
  }

  // Scan as of opset 9 (opset 8 had a batch axis).
  std::vector<Tensor> run_scan(const Node& node, const std::vector<const Tensor*>& arguments) const {
    if (node.opset < 9) throw Error(ErrorCode::kUnsupported, "Scan of opset 8 is not supported");
    const Graph& body = body_of(node, "body");
    const auto inputs_total = ir::explicit_input_count(node);
    const auto scan_inputs = static_cast<size_t>(std::max<int64_t>(node.attr_int("num_scan_inputs", 0), 0));
    if (scan_inputs == 0 || scan_inputs > inputs_total || body.inputs.size() != inputs_total ||
        body.outputs.size() < inputs_total - scan_inputs) {
      throw Error(ErrorCode::kInvalidModel, "inputs and outputs of the scan body do not match the node");
    }
    const size_t states = inputs_total - scan_inputs;
    const size_t scan_outputs = body.outputs.size() - states;
    const auto input_axes = node.attr_ints("scan_input_axes", std::vector<int64_t>(scan_inputs, 0));
    const auto input_directions = node.attr_ints("scan_input_directions", std::vector<int64_t>(scan_inputs, 0));
    const auto output_axes = node.attr_ints("scan_output_axes", std::vector<int64_t>(scan_outputs, 0));
    const auto output_directions = node.attr_ints("scan_output_directions", std::vector<int64_t>(scan_outputs, 0));
    const Captured captured = captured_by(node, arguments);

    std::vector<Tensor> carried;
    for (size_t i = 0; i < states; ++i) carried.push_back(*arguments[i]);
    std::vector<size_t> axes;
    int64_t length = 0;
    for (size_t i = 0; i < scan_inputs; ++i) {
      const Shape& shape = arguments[states + i]->shape();
      axes.push_back(shape.normalize_axis(input_axes.at(i)));
      length = shape[axes.back()];
      if (length != arguments[states]->shape()[axes.front()]) {
        throw Error(ErrorCode::kInvalidModel, "the scanned inputs differ in length");
      }
    }
    std::vector<std::vector<Tensor>> scanned(scan_outputs);
    for (int64_t step = 0; step < length; ++step) {
      std::vector<Tensor> inputs = carried;
      for (size_t i = 0; i < scan_inputs; ++i) {
        const int64_t index = input_directions.at(i) == 0 ? step : length - 1 - step;
        inputs.push_back(take_slice(*arguments[states + i], axes[i], index));
      }
      std::vector<Tensor> outputs = run(body, inputs, captured);
      for (size_t i = 0; i < states; ++i) carried[i] = std::move(outputs[i]);
      for (size_t i = 0; i < scan_outputs; ++i) scanned[i].push_back(std::move(outputs[states + i]));
    }
    std::vector<Tensor> results = carried;
    for (size_t i = 0; i < scan_outputs; ++i) {
      if (scanned[i].empty()) {
        results.push_back(no_slices(body, states + i));
        continue;
      }
      if (output_directions.at(i) != 0) std::reverse(scanned[i].begin(), scanned[i].end());
      const auto rank = static_cast<int64_t>(scanned[i].front().shape().rank()) + 1;
      const int64_t axis = output_axes.at(i) < 0 ? output_axes.at(i) + rank : output_axes.at(i);
      results.push_back(stack_slices(scanned[i], static_cast<size_t>(axis)));
    }
    return results;
  }

  const Registry& registry_;
  const NodeObserver& observe_;
};

}  // namespace

bool is_interpreted_control_flow(const ir::Node& node) {
  return node.domain.empty() && (node.op_type == "If" || node.op_type == "Loop" || node.op_type == "Scan");
}

std::vector<Tensor> interpret(const ir::Graph& graph, const Registry& registry, std::span<const Tensor> inputs,
                              const NodeObserver& observe) {
  return Interpreter(registry, observe).run(graph, inputs, {});
}

}  // namespace qtool::ops
