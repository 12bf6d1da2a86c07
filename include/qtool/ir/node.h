// A node and its attributes. Nodes are owned by Graph; ids stay valid across edits.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "qtool/tensor/tensor.h"

namespace qtool::ir {

enum class NodeId : uint32_t {};
enum class ValueId : uint32_t {};
inline constexpr ValueId kNoValue{0xFFFFFFFFu};  // an optional input or output that is left out
inline constexpr NodeId kNoNode{0xFFFFFFFFu};

class Graph;

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, Tensor, std::shared_ptr<Graph>>;

class Node {
 public:
  NodeId id = kNoNode;
  std::string name;         // never empty, unique in the graph
  std::string op_type;
  std::string domain;       // "" is ai.onnx
  int64_t opset = 0;        // version of `domain` that the model imports
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, Attribute, std::less<>> attributes;

  [[nodiscard]] bool has_attribute(std::string_view key) const { return attributes.find(key) != attributes.end(); }

  // Typed getters: the default when absent; Error(kInvalidModel) naming node and attribute when of another type.
  [[nodiscard]] int64_t attr_int(std::string_view key, int64_t fallback) const;
  [[nodiscard]] float attr_float(std::string_view key, float fallback) const;
  [[nodiscard]] std::string attr_string(std::string_view key, std::string_view fallback) const;
  [[nodiscard]] std::vector<int64_t> attr_ints(std::string_view key, std::vector<int64_t> fallback = {}) const;
  [[nodiscard]] std::vector<float> attr_floats(std::string_view key, std::vector<float> fallback = {}) const;
  [[nodiscard]] const Tensor* attr_tensor(std::string_view key) const;  // nullptr when absent
  [[nodiscard]] const Graph* attr_graph(std::string_view key) const;    // nullptr when absent

  // "Conv 'backbone.0'": for messages.
  [[nodiscard]] std::string text() const;
};

}  // namespace qtool::ir
