#include "graph_fingerprint.h"

#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

std::string text_of(const Tensor& tensor) {
  return format("{} {} {}", dtype_name(tensor.dtype()), tensor.shape().text(), sha256_hex(tensor.bytes()));
}

std::string bytes_of(const auto& values) { return sha256_hex(std::as_bytes(std::span(values))); }

struct AttributeText {
  std::string operator()(int64_t value) const { return format("{}", value); }
  std::string operator()(float value) const { return format("{:a}", value); }
  std::string operator()(const std::string& value) const { return bytes_of(value); }
  std::string operator()(const std::vector<int64_t>& values) const { return bytes_of(values); }
  std::string operator()(const std::vector<float>& values) const { return bytes_of(values); }
  std::string operator()(const std::vector<std::string>& values) const {
    std::string all;
    for (const std::string& value : values) all += bytes_of(value);
    return all;
  }
  std::string operator()(const Tensor& value) const { return text_of(value); }
  std::string operator()(const std::shared_ptr<ir::Graph>& value) const { return value ? graph_fingerprint(*value) : "none"; }
};

std::string ids_of(const std::vector<ir::ValueId>& ids) {
  std::string text;
  for (const ir::ValueId id : ids) text += format(" {}", static_cast<uint32_t>(id));
  return text;
}

}  // namespace

std::string graph_fingerprint(const ir::Graph& graph) {
  std::string text = "inputs" + ids_of(graph.inputs) + "\noutputs" + ids_of(graph.outputs) + "\n";
  for (const ir::ValueId id : graph.value_ids()) {
    const ir::Value& value = graph.value(id);
    text += format("value {} {}", static_cast<uint32_t>(id), bytes_of(value.name));
    if (value.type) text += format(" {} {}", dtype_name(value.type->dtype), value.type->shape.text());
    if (value.constant) text += " = " + text_of(*value.constant);
    text += "\n";
  }
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    text += format("node {} {} {} {} <-{} ->{}", static_cast<uint32_t>(id), node.domain, node.op_type, node.opset, ids_of(node.inputs), ids_of(node.outputs));
    for (const auto& [key, attribute] : node.attributes) text += format(" {}={}", key, std::visit(AttributeText{}, attribute));
    text += "\n";
  }
  return bytes_of(text);
}

}  // namespace qtool::pipeline
