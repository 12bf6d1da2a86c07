#include "qtool/onnxio/export.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <unordered_map>

#include "element_types.h"
#include "qtool/ir/subgraph.h"
#include "qtool/onnxio/opset_upgrade.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::onnxio {

using ir::Graph;
using ir::kNoValue;
using ir::ValueId;

namespace {

constexpr int64_t kFirstIrWithInt4 = 10, kFirstOpsetWithInt4 = 21;
constexpr int64_t kDefaultOpset = 17;  // of a graph whose nodes do not say

std::string pack_nibbles(const Tensor& tensor) {
  const std::span<const std::byte> values = tensor.bytes();
  std::string packed((values.size() + 1) / 2, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const int nibble = static_cast<int>(values[i]) & 0xF;
    packed[i / 2] = static_cast<char>(static_cast<uint8_t>(packed[i / 2]) | (i % 2 == 0 ? nibble : nibble << 4));
  }
  return packed;
}

void write_tensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto) {
  if (tensor.dtype() == DType::kString) {
    throw Error(ErrorCode::kUnsupported, "string tensors are not supported").with("tensor", name);
  }
  if (!name.empty()) proto.set_name(name);
  proto.set_data_type(onnx_of_dtype(tensor.dtype()));
  for (const int64_t dim : tensor.shape()) proto.add_dims(dim);
  if (tensor.dtype() == DType::kInt4 || tensor.dtype() == DType::kUInt4) {
    proto.set_raw_data(pack_nibbles(tensor));
  } else {
    proto.set_raw_data(tensor.raw(), tensor.size_bytes());
  }
}

void write_type(const TensorType& type, onnx::ValueInfoProto& info) {
  auto* tensor_type = info.mutable_type()->mutable_tensor_type();
  tensor_type->set_elem_type(onnx_of_dtype(type.dtype));
  auto* shape = tensor_type->mutable_shape();  // a scalar has a shape without dimensions
  for (const int64_t dim : type.shape) shape->add_dim()->set_dim_value(dim);
}

// Names that a subgraph reads from outside may have changed there since it was built.
using OuterNames = std::unordered_map<std::string, std::string>;

class GraphWriter {
 public:
  GraphWriter(const Graph& graph, const OuterNames& outer_names, bool write_inner_types)
      : graph_(graph), outer_names_(outer_names), write_inner_types_(write_inner_types) {}

  void write(onnx::GraphProto& proto) const {
    proto.set_name(graph_.name.empty() ? "graph" : graph_.name);
    for (const ir::NodeId id : graph_.topological_order()) write_node(graph_.node(id), *proto.add_node());
    for (const ValueId id : graph_.inputs) write_info(id, *proto.add_input());
    for (const ValueId id : graph_.outputs) write_info(id, *proto.add_output());
    for (const ValueId id : graph_.value_ids()) {
      const ir::Value& value = graph_.value(id);
      if (value.constant) {
        write_tensor(value.name, *value.constant, *proto.add_initializer());
      } else if (write_inner_types_ && value.type && value.producer != ir::kNoNode && !graph_.is_output(id)) {
        write_info(id, *proto.add_value_info());
      }
    }
  }

 private:
  [[nodiscard]] std::string name_of(ValueId id) const {
    if (id == kNoValue) return "";
    const ir::Value& value = graph_.value(id);
    if (value.producer != ir::kNoNode || value.constant) return value.name;
    const auto at = outer_names_.find(value.name);
    return at == outer_names_.end() ? value.name : at->second;
  }

  void write_info(ValueId id, onnx::ValueInfoProto& info) const {
    info.set_name(name_of(id));
    if (graph_.value(id).type) write_type(*graph_.value(id).type, info);
  }

  void write_node(const ir::Node& node, onnx::NodeProto& proto) const {
    proto.set_name(node.name);
    proto.set_op_type(node.op_type);
    if (!node.domain.empty()) proto.set_domain(node.domain);
    const size_t explicit_inputs = ir::explicit_input_count(node);
    for (size_t i = 0; i < explicit_inputs; ++i) proto.add_input(name_of(node.inputs[i]));
    for (const ValueId output : node.outputs) proto.add_output(name_of(output));
    // Optional tensors at the end are left out, not named "".
    while (proto.input_size() > 0 && proto.input(proto.input_size() - 1).empty()) proto.mutable_input()->RemoveLast();
    while (proto.output_size() > 0 && proto.output(proto.output_size() - 1).empty()) proto.mutable_output()->RemoveLast();

    OuterNames inner_names;
    const std::vector<std::string> captured = ir::captures(node);
    for (size_t i = 0; i < captured.size() && explicit_inputs + i < node.inputs.size(); ++i) {
      inner_names[captured[i]] = name_of(node.inputs[explicit_inputs + i]);
    }
    for (const auto& [key, attribute] : node.attributes) {
      if (key != ir::kCapturesAttribute) write_attribute(key, attribute, inner_names, *proto.add_attribute());
    }
  }

  void write_attribute(const std::string& key, const ir::Attribute& attribute, const OuterNames& inner_names,
                       onnx::AttributeProto& proto) const {
    using Proto = onnx::AttributeProto;
    proto.set_name(key);
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, int64_t>) {
            proto.set_type(Proto::INT);
            proto.set_i(value);
          } else if constexpr (std::is_same_v<T, float>) {
            proto.set_type(Proto::FLOAT);
            proto.set_f(value);
          } else if constexpr (std::is_same_v<T, std::string>) {
            proto.set_type(Proto::STRING);
            proto.set_s(value);
          } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
            proto.set_type(Proto::INTS);
            for (const int64_t entry : value) proto.add_ints(entry);
          } else if constexpr (std::is_same_v<T, std::vector<float>>) {
            proto.set_type(Proto::FLOATS);
            for (const float entry : value) proto.add_floats(entry);
          } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            proto.set_type(Proto::STRINGS);
            for (const std::string& entry : value) proto.add_strings(entry);
          } else if constexpr (std::is_same_v<T, Tensor>) {
            proto.set_type(Proto::TENSOR);
            write_tensor("", value, *proto.mutable_t());
          } else {
            proto.set_type(Proto::GRAPH);
            GraphWriter(*value, inner_names, write_inner_types_).write(*proto.mutable_g());
          }
        },
        attribute);
  }

  const Graph& graph_;
  const OuterNames& outer_names_;
  bool write_inner_types_;
};

struct Needs {
  std::map<std::string, int64_t> opsets;
  bool int4 = false;
};

void collect_needs(const Graph& graph, Needs& needs) {
  for (const ValueId id : graph.value_ids()) {
    const auto& type = graph.value(id).type;
    if (type && (type->dtype == DType::kInt4 || type->dtype == DType::kUInt4)) needs.int4 = true;
  }
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    int64_t& version = needs.opsets[node.domain];
    version = std::max(version, node.opset);
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attribute); body && *body) collect_needs(**body, needs);
    }
  }
}

Bytes serialize(const onnx::ModelProto& proto) {
  const size_t size_bytes = proto.ByteSizeLong();
  if (size_bytes > static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorCode::kUnsupported, format("the model has {} bytes; an ONNX file ends at 2 GiB", size_bytes));
  }
  Bytes content(size_bytes);
  google::protobuf::io::ArrayOutputStream array(content.data(), static_cast<int>(size_bytes));
  google::protobuf::io::CodedOutputStream stream(&array);
  stream.SetSerializationDeterministic(true);
  QTOOL_CHECK(proto.SerializePartialToCodedStream(&stream));
  return content;
}

}  // namespace

Bytes export_model(const Graph& source, const ExportOptions& options) {
  Needs needs;
  collect_needs(source, needs);
  for (auto& [domain, version] : needs.opsets) {
    if (version == 0) version = domain.empty() ? kDefaultOpset : 1;
  }
  int64_t& default_opset = needs.opsets.try_emplace("", kDefaultOpset).first->second;
  if (needs.int4) default_opset = std::max(default_opset, kFirstOpsetWithInt4);
  for (const auto& [domain, version] : options.opsets) needs.opsets[domain] = version;
  Graph graph = source;
  upgrade_opset(graph, default_opset);

  onnx::ModelProto proto;
  proto.set_ir_version(std::max(options.ir_version, needs.int4 ? kFirstIrWithInt4 : ir_version_for_opset(default_opset)));
  proto.set_producer_name(options.producer_name);
  if (!options.producer_version.empty()) proto.set_producer_version(options.producer_version);
  for (const auto& [domain, version] : needs.opsets) {
    auto* import = proto.add_opset_import();
    import->set_domain(domain);
    import->set_version(version);
  }
  for (const auto& [key, value] : options.metadata) {
    auto* entry = proto.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  const OuterNames none;
  GraphWriter(graph, none, options.write_inner_types).write(*proto.mutable_graph());
  return serialize(proto);
}

}  // namespace qtool::onnxio
