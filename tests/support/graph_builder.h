// Small graphs for tests, written node by node.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/ops/shape_inference.h"

namespace qtool::testing {

using Attributes = std::map<std::string, ir::Attribute, std::less<>>;
using Ints = std::vector<int64_t>;

inline Tensor random_tensor(Shape shape, unsigned seed, float low = -2.0f, float high = 2.0f) {
  Tensor result(DType::kFloat32, std::move(shape));
  std::mt19937 generator(seed);
  for (float& value : result.mutable_data<float>()) {
    value = low + (high - low) * static_cast<float>(generator() % 100000) / 100000.0f;
  }
  return result;
}

inline Tensor ints(const Ints& values) {
  return Tensor::from<int64_t>(Shape{static_cast<int64_t>(values.size())}, std::span<const int64_t>(values));
}

class GraphBuilder {
 public:
  explicit GraphBuilder(int64_t opset = 13) : opset_(opset) {}

  ir::ValueId input(const std::string& name, Shape shape, DType dtype = DType::kFloat32) {
    const ir::ValueId id = graph_.add_value(name, TensorType{dtype, std::move(shape)});
    graph_.inputs.push_back(id);
    return id;
  }
  ir::ValueId constant(const std::string& name, Tensor tensor) { return graph_.add_constant(name, std::move(tensor)); }
  ir::ValueId scalar(float value) { return constant(graph_.unique_name("scalar"), Tensor::scalar(value)); }
  ir::ValueId random(const std::string& name, Shape shape, float low = -2.0f, float high = 2.0f) {
    return constant(name, random_tensor(std::move(shape), ++seed_, low, high));
  }
  // The node is called "<output>.node".
  ir::ValueId node(const std::string& op, std::vector<ir::ValueId> inputs, const std::string& output,
                   Attributes attributes = {}) {
    const ir::ValueId id = graph_.add_value(output);
    graph_.add_node({.name = output + ".node",
                     .op_type = op,
                     .opset = opset_,
                     .inputs = std::move(inputs),
                     .outputs = {id},
                     .attributes = std::move(attributes)});
    return id;
  }
  // As node(), with several outputs.
  std::vector<ir::ValueId> nodes(const std::string& op, std::vector<ir::ValueId> inputs,
                                 const std::vector<std::string>& outputs, Attributes attributes = {}) {
    std::vector<ir::ValueId> ids;
    for (const std::string& name : outputs) ids.push_back(graph_.add_value(name));
    graph_.add_node({.name = outputs[0] + ".node",
                     .op_type = op,
                     .opset = opset_,
                     .inputs = std::move(inputs),
                     .outputs = ids,
                     .attributes = std::move(attributes)});
    return ids;
  }
  ir::ValueId batch_norm(ir::ValueId x, int64_t channels, const std::string& output, Attributes attributes = {}) {
    return node("BatchNormalization",
                {x, random(output + ".gamma", {channels}), random(output + ".beta", {channels}),
                 random(output + ".mean", {channels}), random(output + ".variance", {channels}, 0.1f, 2.0f)},
                output, std::move(attributes));
  }
  void output(ir::ValueId id) { graph_.outputs.push_back(id); }
  ir::Graph& graph() { return graph_; }

  // Types settled. Constants are not folded, so that the graph stays as it was written.
  model::ModelState build() {
    ops::infer_shapes(graph_, ops::builtin_registry(), {.fold_constants = false});
    model::ModelState state;
    state.graph = graph_;
    return state;
  }

 private:
  ir::Graph graph_;
  int64_t opset_;
  unsigned seed_ = 0;
};

}  // namespace qtool::testing
