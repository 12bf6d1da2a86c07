// Runs one operator the way the graph code does, and holds the shape rule against what the kernel returned.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qtool/ops/registry.h"

namespace qtool::ops::testing {

using Attributes = std::map<std::string, ir::Attribute, std::less<>>;

struct NodeCase {
  std::string op;
  int64_t opset = 13;
  Attributes attributes;
  std::vector<Tensor> inputs;
  size_t outputs = 1;
  std::vector<size_t> left_out;        // input slots that are not connected
};

struct NodeParts {
  ir::Node node;
  std::vector<const Tensor*> inputs;
  std::vector<TensorType> types;
  std::vector<const TensorType*> type_slots;
};

inline void fill_parts(const NodeCase& test, NodeParts& parts) {
  parts.node.name = "node";
  parts.node.op_type = test.op;
  parts.node.opset = test.opset;
  parts.node.attributes = test.attributes;
  for (size_t i = 0; i < test.outputs; ++i) parts.node.outputs.push_back(ir::ValueId{static_cast<uint32_t>(100 + i)});
  parts.types.reserve(test.inputs.size());
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    const bool absent = std::find(test.left_out.begin(), test.left_out.end(), i) != test.left_out.end();
    parts.node.inputs.push_back(absent ? ir::kNoValue : ir::ValueId{static_cast<uint32_t>(i)});
    parts.types.push_back(test.inputs[i].type());
    parts.inputs.push_back(absent ? nullptr : &test.inputs[i]);
    parts.type_slots.push_back(absent ? nullptr : &parts.types.back());
  }
}

// All outputs; fails the test when an inferred type differs from the type of the result.
inline std::vector<Tensor> run_all(const NodeCase& test) {
  NodeParts parts;
  fill_parts(test, parts);
  const OpDef& def = builtin_registry().at(parts.node);
  std::vector<Tensor> results = evaluate_node(def, EvalContext(parts.node, parts.inputs));
  const std::vector<const Tensor*> nothing(parts.inputs.size(), nullptr);
  for (const auto& constants : {parts.inputs, nothing}) {
    const InferredTypes types = infer_node(def, InferContext(parts.node, parts.type_slots, constants));
    for (size_t i = 0; i < test.outputs && i < types.size(); ++i) {
      if (types[i]) {
        EXPECT_EQ(types[i]->shape, results.at(i).shape()) << test.op << " output " << i;
        EXPECT_EQ(types[i]->dtype, results.at(i).dtype()) << test.op << " output " << i;
      }
    }
  }
  return results;
}

inline Tensor run(const NodeCase& test) { return run_all(test).at(0); }

// The types the shape rule gives when no input value is known.
inline InferredTypes infer_without_values(const NodeCase& test) {
  NodeParts parts;
  fill_parts(test, parts);
  return infer_node(builtin_registry().at(parts.node),
                    InferContext(parts.node, parts.type_slots, std::vector<const Tensor*>(parts.inputs.size(), nullptr)));
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto data = tensor.data<T>();
  return {data.begin(), data.end()};
}

inline Tensor floats(Shape shape, std::initializer_list<float> list) { return Tensor::from<float>(std::move(shape), list); }
inline Tensor ints(std::initializer_list<int64_t> list) {
  return Tensor::from<int64_t>(Shape{static_cast<int64_t>(list.size())}, list);
}
// 0, 1, 2, ... as float32.
inline Tensor counting(Shape shape) {
  Tensor result(DType::kFloat32, std::move(shape));
  float next = 0.0f;
  for (float& value : result.mutable_data<float>()) value = next++;
  return result;
}

}  // namespace qtool::ops::testing
