#include "graph_builder.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "input_shapes.h"
#include "qtool/ir/subgraph.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::onnxio {

using ir::kNoNode;
using ir::kNoValue;
using ir::ValueId;
using onnx::AttributeProto;

namespace {

std::string node_label(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  return node.output_size() > 0 ? format("{} -> {}", node.op_type(), node.output(0)) : node.op_type();
}

template <class Fn>
void with_node(const onnx::NodeProto& node, Fn&& fn) {
  try {
    fn();
  } catch (Error& error) {
    error.with("node", node_label(node)).with("op", node.op_type());
    throw;
  }
}

// Files of IR version 1 and 2 may leave the type out.
AttributeProto::AttributeType type_of(const AttributeProto& proto) {
  if (proto.type() != AttributeProto::UNDEFINED) return proto.type();
  if (proto.has_f()) return AttributeProto::FLOAT;
  if (proto.has_i()) return AttributeProto::INT;
  if (proto.has_s()) return AttributeProto::STRING;
  if (proto.has_t()) return AttributeProto::TENSOR;
  if (proto.has_g()) return AttributeProto::GRAPH;
  if (proto.floats_size() > 0) return AttributeProto::FLOATS;
  if (proto.ints_size() > 0) return AttributeProto::INTS;
  if (proto.strings_size() > 0) return AttributeProto::STRINGS;
  return AttributeProto::UNDEFINED;
}

bool is_constant_node(const onnx::NodeProto& node) {
  return node.op_type() == "Constant" && normal_domain(node.domain()).empty();
}

bool has_output(const onnx::NodeProto& node) {
  return std::any_of(node.output().begin(), node.output().end(), [](const std::string& name) { return !name.empty(); });
}

}  // namespace

std::vector<const onnx::ValueInfoProto*> true_inputs(const onnx::GraphProto& proto) {
  std::unordered_set<std::string> initialized;
  for (const auto& tensor : proto.initializer()) initialized.insert(tensor.name());
  for (const auto& tensor : proto.sparse_initializer()) initialized.insert(tensor.values().name());
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const auto& input : proto.input()) {
    if (!initialized.contains(input.name())) inputs.push_back(&input);
  }
  return inputs;
}

ir::Graph GraphBuilder::build(const onnx::GraphProto& proto, const Opsets& opsets,
                              const std::vector<TensorType>& input_types) {
  ir::Graph graph;
  Scope scope{graph, nullptr, {}};
  build_into(scope, proto, opsets, &input_types);
  return graph;
}

void GraphBuilder::build_into(Scope& scope, const onnx::GraphProto& proto, const Opsets& opsets,
                              const std::vector<TensorType>* input_types) {
  ir::Graph& graph = scope.graph;
  graph.name = proto.name();
  const auto inputs = true_inputs(proto);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->name().empty()) throw Error(ErrorCode::kInvalidModel, format("input {} of the graph has no name", i));
    graph.inputs.push_back(
        graph.add_value(inputs[i]->name(), input_types ? (*input_types)[i] : fixed_type(*inputs[i])));
  }
  add_initializers(scope, proto);

  // Every name is declared before the first use is looked up: files need not be in order, and a subgraph may read
  // what a later node of the graph around it produces (which the search for cycles then judges).
  const std::vector<PendingNode> nodes = functions_.expand(proto.node(), opsets);
  for (const PendingNode& pending : nodes) with_node(*pending.proto, [&] { declare_outputs(scope, pending); });
  for (const PendingNode& pending : nodes) {
    if (is_constant_node(*pending.proto)) continue;
    with_node(*pending.proto, [&] { add_node(scope, pending); });
  }
  for (const auto& output : proto.output()) {
    if (output.name().empty()) throw Error(ErrorCode::kInvalidModel, "an output of the graph has no name");
    const ValueId value = resolve(scope, output.name());
    if (value == kNoValue) {
      throw Error(ErrorCode::kInvalidModel, "nothing produces this output of the graph").with("tensor", output.name());
    }
    graph.outputs.push_back(value);
  }
  (void)graph.topological_order();
}

void GraphBuilder::add_initializers(Scope& scope, const onnx::GraphProto& proto) {
  const auto add = [&](const std::string& name, Tensor tensor) {
    if (name.empty()) throw Error(ErrorCode::kInvalidModel, "an initializer has no name");
    scope.graph.add_constant(name, std::move(tensor));
  };
  for (const auto& tensor : proto.initializer()) add(tensor.name(), tensors_.read(tensor));
  for (const auto& tensor : proto.sparse_initializer()) add(tensor.values().name(), tensors_.read_sparse(tensor));
}

void GraphBuilder::declare_outputs(Scope& scope, const PendingNode& pending) {
  const onnx::NodeProto& node = *pending.proto;
  if (node.op_type().empty()) throw Error(ErrorCode::kInvalidModel, "a node has no operator type");
  if (!has_output(node)) throw Error(ErrorCode::kInvalidModel, "the node has no output");
  if (is_constant_node(node)) {
    if (node.output_size() != 1) throw Error(ErrorCode::kInvalidModel, "a Constant has exactly one output");
    scope.graph.add_constant(node.output(0), read_constant(node));
    return;
  }
  for (const auto& output : node.output()) {
    if (!output.empty()) scope.graph.add_value(output);
  }
}

void GraphBuilder::add_node(Scope& scope, const PendingNode& pending) {
  const onnx::NodeProto& proto = *pending.proto;
  ir::Node node;
  node.op_type = proto.op_type();
  node.domain = normal_domain(proto.domain());
  node.name = proto.name();
  if (node.name.empty()) {
    const auto named = std::find_if(proto.output().begin(), proto.output().end(), [](const auto& o) { return !o.empty(); });
    node.name = format("{}_{}", proto.op_type(), *named);
  }
  const auto opset = pending.opsets->find(node.domain);
  if (opset != pending.opsets->end()) {
    node.opset = opset->second;
  } else if (node.domain.empty()) {
    throw Error(ErrorCode::kInvalidModel, "the model does not say which version of the ai.onnx operators it uses");
  } else {
    node.opset = 1;  // several exporters forget to import contrib domains
  }
  for (const auto& input : proto.input()) {
    node.inputs.push_back(input.empty() ? kNoValue : resolve_or_fail(scope, input));
  }
  for (const auto& output : proto.output()) {
    node.outputs.push_back(output.empty() ? kNoValue : scope.graph.find_value(output));
  }
  std::vector<std::string> captured;
  for (const auto& attribute : proto.attribute()) {
    if (!node.attributes.emplace(attribute.name(), read_attribute(scope, attribute, *pending.opsets, captured)).second) {
      throw Error(ErrorCode::kInvalidModel, format("attribute '{}' is given twice", attribute.name()));
    }
  }
  node.attributes.erase(std::string(ir::kCapturesAttribute));  // ours alone; a file cannot set it
  if (!captured.empty()) {
    for (const std::string& name : captured) node.inputs.push_back(resolve_or_fail(scope, name));
    node.attributes.emplace(ir::kCapturesAttribute, std::move(captured));
  }
  scope.graph.add_node(std::move(node));
}

ir::Attribute GraphBuilder::read_attribute(Scope& scope, const AttributeProto& proto, const Opsets& opsets,
                                           std::vector<std::string>& captured) {
  if (proto.name().empty()) throw Error(ErrorCode::kInvalidModel, "an attribute has no name");
  switch (type_of(proto)) {
    case AttributeProto::FLOAT: return proto.f();
    case AttributeProto::INT: return static_cast<int64_t>(proto.i());
    case AttributeProto::STRING: return proto.s();
    case AttributeProto::FLOATS: return std::vector<float>(proto.floats().begin(), proto.floats().end());
    case AttributeProto::INTS: return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case AttributeProto::STRINGS: return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    case AttributeProto::TENSOR: return tensors_.read(proto.t());
    case AttributeProto::SPARSE_TENSOR: return tensors_.read_sparse(proto.sparse_tensor());
    case AttributeProto::GRAPH: {
      auto body = std::make_shared<ir::Graph>();
      Scope inner{*body, &scope, {}};
      build_into(inner, proto.g(), opsets, nullptr);
      for (std::string& name : inner.captured) {
        if (std::find(captured.begin(), captured.end(), name) == captured.end()) captured.push_back(std::move(name));
      }
      return body;
    }
    // An empty list and a missing value look alike in files without types.
    case AttributeProto::UNDEFINED: return std::vector<int64_t>{};
    default: break;
  }
  throw Error(ErrorCode::kUnsupported, format("attribute '{}' has a type that is not supported ({})", proto.name(),
                                              AttributeProto::AttributeType_Name(proto.type())));
}

Tensor GraphBuilder::read_constant(const onnx::NodeProto& node) const {
  try {
    for (const AttributeProto& attribute : node.attribute()) {
      const std::string& name = attribute.name();
      if (name == "value") return tensors_.read(attribute.t());
      if (name == "sparse_value") return tensors_.read_sparse(attribute.sparse_tensor());
      if (name == "value_float") return Tensor::scalar(attribute.f());
      if (name == "value_int") return Tensor::scalar(static_cast<int64_t>(attribute.i()));
      if (name == "value_floats") {
        const std::vector<float> values(attribute.floats().begin(), attribute.floats().end());
        return Tensor::from<float>(Shape{attribute.floats_size()}, std::span<const float>(values));
      }
      if (name == "value_ints") {
        const std::vector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
        return Tensor::from<int64_t>(Shape{attribute.ints_size()}, std::span<const int64_t>(values));
      }
      if (name == "value_string" || name == "value_strings") {
        throw Error(ErrorCode::kUnsupported, "string tensors are not supported");
      }
    }
  } catch (const Error& error) {
    // A Constant's tensor is mostly unnamed; the output is what people can look up.
    Error renamed(error.code(), error.message());
    for (const auto& [key, value] : error.context()) {
      if (key != "tensor" || !value.empty()) renamed.with(key, value);
    }
    throw renamed.with("tensor", node.output(0));
  }
  throw Error(ErrorCode::kInvalidModel, "a Constant has no value").with("tensor", node.output(0));
}

ValueId GraphBuilder::resolve(Scope& scope, const std::string& name) {
  const ValueId own = scope.graph.find_value(name);
  if (own != kNoValue || scope.outer == nullptr) return own;
  const ValueId outside = resolve(*scope.outer, name);
  if (outside == kNoValue) return kNoValue;
  scope.captured.push_back(name);
  return scope.graph.add_value(name, scope.outer->graph.value(outside).type);
}

ValueId GraphBuilder::resolve_or_fail(Scope& scope, const std::string& name) {
  const ValueId value = resolve(scope, name);
  if (value == kNoValue) throw Error(ErrorCode::kInvalidModel, "the node reads a tensor that nothing produces").with("tensor", name);
  return value;
}

}  // namespace qtool::onnxio
