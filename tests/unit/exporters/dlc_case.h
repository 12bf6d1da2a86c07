// Small graphs for the DLC exporter: nodes added one after another, shapes inferred, encodings set by value name.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "qtool/container/dlc_reader.h"
#include "qtool/container/dlc_writer.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/model/model_state.h"
#include "qtool/ops/registry.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/support/error.h"

namespace qtool::exporters {

using Attributes = std::map<std::string, ir::Attribute, std::less<>>;
using Ints = std::vector<int64_t>;

class DlcCase {
 public:
  DlcCase& input(const std::string& name, Shape shape, DType dtype = DType::kFloat32) {
    state_.graph.inputs.push_back(state_.graph.add_value(name, TensorType{dtype, std::move(shape)}));
    return *this;
  }
  DlcCase& constant(const std::string& name, Tensor tensor) {
    state_.graph.add_constant(name, std::move(tensor));
    return *this;
  }
  // Elements 0, step, 2 step, ... with alternating signs.
  DlcCase& floats(const std::string& name, Shape shape, float step = 1.0f) {
    Tensor tensor(DType::kFloat32, std::move(shape));
    float value = 0;
    for (float& element : tensor.mutable_data<float>()) {
      element = value;
      value = value >= 0 ? -value - step : -value;
    }
    return constant(name, std::move(tensor));
  }
  DlcCase& ints(const std::string& name, const Ints& values) {
    return constant(name, Tensor::from<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
  }
  // The node is called after its first output with "op_" in front.
  DlcCase& node(const std::string& op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                Attributes attributes = {}, int64_t opset = 17) {
    ir::Node node;
    node.name = "op_" + outputs.front();
    node.op_type = op;
    node.opset = opset;
    for (const std::string& name : inputs) node.inputs.push_back(name.empty() ? ir::kNoValue : value(name));
    for (const std::string& name : outputs) node.outputs.push_back(state_.graph.add_value(name));
    node.attributes = std::move(attributes);
    state_.graph.add_node(std::move(node));
    return *this;
  }
  DlcCase& output(const std::string& name) {
    state_.graph.outputs.push_back(value(name));
    return *this;
  }
  // Unsigned, per tensor.
  DlcCase& encode(const std::string& name, double scale, int64_t offset, int bits = 8) {
    return encode(name, quant::Encoding{.bits = bits, .grids = {{scale, offset}}});
  }
  DlcCase& encode(const std::string& name, quant::Encoding encoding) {
    state_.encodings[value(name)] = {.encoding = std::move(encoding), .source = "test"};
    return *this;
  }
  // Symmetric, one scale a channel.
  DlcCase& encode_channels(const std::string& name, int axis, const std::vector<double>& scales, int bits = 8) {
    quant::Encoding encoding{.bits = bits, .is_symmetric = true, .channel_axis = axis};
    for (const double scale : scales) encoding.grids.push_back({scale, -(int64_t{1} << (bits - 1))});
    return encode(name, std::move(encoding));
  }

  [[nodiscard]] model::ModelState& state() {
    ops::infer_shapes(state_.graph, ops::builtin_registry());
    return state_;
  }

  // Exports, writes, reads back. The tensors and ops of the result are those of the bytes.
  container::DlcGraph exported(DlcExportOptions options = {}) {
    const container::DlcFile file = build_dlc(state(), options, &report);
    const Bytes bytes = container::write_dlc(file);
    EXPECT_EQ(bytes, container::write_dlc(build_dlc(state_, options))) << "two exports differ";
    return container::read_dlc(bytes, "case.dlc").graphs.front();
  }
  container::DlcGraph quantized() { return exported({.quantized = true}); }

  DlcExportReport report;

 private:
  ir::ValueId value(const std::string& name) const {
    const ir::ValueId id = state_.graph.find_value(name);
    if (id == ir::kNoValue) throw Error(ErrorCode::kInternal, "no value " + name);
    return id;
  }
  model::ModelState state_;
};

inline std::vector<std::string> op_types(const container::DlcGraph& graph) {
  std::vector<std::string> types;
  for (const container::DlcOp& op : graph.ops) types.push_back(op.type);
  return types;
}

// By value: the graph is often a temporary.
inline container::DlcOp op_named(const container::DlcGraph& graph, const std::string& name) {
  for (const container::DlcOp& op : graph.ops) {
    if (op.name == name) return op;
  }
  throw Error(ErrorCode::kInternal, "no op " + name);
}

inline container::DlcTensor tensor_named(const container::DlcGraph& graph, const std::string& name) {
  const container::DlcTensor* found = graph.find_tensor(name);
  if (found == nullptr) throw Error(ErrorCode::kInternal, "no tensor " + name);
  return *found;
}

template <class T>
std::vector<T> elements(const container::DlcTensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

inline int64_t scalar_of(const container::DlcOp& op, const std::string& name) {
  return std::get<container::DlcScalar>(op.find_attribute(name)->value).integer;
}

inline std::vector<uint32_t> list_of(const container::DlcOp& op, const std::string& name) {
  return elements<uint32_t>(std::get<container::DlcTensor>(op.find_attribute(name)->value));
}

}  // namespace qtool::exporters
