#include "qtool/ir/node.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ir {

namespace {

template <class T>
const T* find(const Node& node, std::string_view key, std::string_view expected) {
  const auto at = node.attributes.find(key);
  if (at == node.attributes.end()) return nullptr;
  if (const T* value = std::get_if<T>(&at->second)) return value;
  throw Error(ErrorCode::kInvalidModel, format("attribute '{}' is not of type {}", key, expected))
      .with("node", node.name)
      .with("op", node.op_type);
}

}  // namespace

int64_t Node::attr_int(std::string_view key, int64_t fallback) const {
  const auto* value = find<int64_t>(*this, key, "int");
  return value ? *value : fallback;
}

float Node::attr_float(std::string_view key, float fallback) const {
  const auto* value = find<float>(*this, key, "float");
  return value ? *value : fallback;
}

std::string Node::attr_string(std::string_view key, std::string_view fallback) const {
  const auto* value = find<std::string>(*this, key, "string");
  return value ? *value : std::string(fallback);
}

std::vector<int64_t> Node::attr_ints(std::string_view key, std::vector<int64_t> fallback) const {
  const auto* value = find<std::vector<int64_t>>(*this, key, "ints");
  return value ? *value : fallback;
}

std::vector<float> Node::attr_floats(std::string_view key, std::vector<float> fallback) const {
  const auto* value = find<std::vector<float>>(*this, key, "floats");
  return value ? *value : fallback;
}

const Tensor* Node::attr_tensor(std::string_view key) const { return find<Tensor>(*this, key, "tensor"); }

const Graph* Node::attr_graph(std::string_view key) const {
  const auto* value = find<std::shared_ptr<Graph>>(*this, key, "graph");
  return value ? value->get() : nullptr;
}

std::string Node::text() const { return format("{} '{}'", op_type, name); }

}  // namespace qtool::ir
