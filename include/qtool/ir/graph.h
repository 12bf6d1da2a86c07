// The graph: values in SSA form (one producer), nodes, ordered inputs and outputs.
//
// Ids survive edits; erased slots become tombstones, so passes may hold ids across a mutation. Only Graph edits
// producer and use lists. A value's name is its exported name: passes that fuse keep the last output's name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qtool/ir/node.h"

namespace qtool::ir {

struct Value {
  ValueId id = kNoValue;
  std::string name;
  std::optional<TensorType> type;  // unknown before shape inference, or when it depends on data
  NodeId producer = kNoNode;       // kNoNode: graph input or constant
  std::optional<Tensor> constant;  // initializer or folded result
  std::vector<NodeId> uses;        // one entry per use; a node that reads a value twice appears twice
};

class Graph {
 public:
  std::string name;

  // Names must be unique; unique_name() makes one.
  ValueId add_value(std::string name, std::optional<TensorType> type = std::nullopt);
  ValueId add_constant(std::string name, Tensor tensor);
  NodeId add_node(Node node);  // node.id is assigned; an empty name is replaced by a unique one
  [[nodiscard]] std::string unique_name(std::string_view stem) const;

  [[nodiscard]] const Value& value(ValueId id) const { return values_[static_cast<uint32_t>(id)]; }
  [[nodiscard]] Value& value(ValueId id) { return values_[static_cast<uint32_t>(id)]; }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes_[static_cast<uint32_t>(id)]; }
  // For attributes, name and op type; inputs and outputs are changed through the graph only.
  [[nodiscard]] Node& node(NodeId id) { return nodes_[static_cast<uint32_t>(id)]; }
  [[nodiscard]] ValueId find_value(std::string_view name) const;  // kNoValue when absent

  // Live ids in creation order.
  [[nodiscard]] std::vector<NodeId> node_ids() const;
  [[nodiscard]] std::vector<ValueId> value_ids() const;
  [[nodiscard]] size_t value_capacity() const { return values_.size(); }
  [[nodiscard]] size_t node_capacity() const { return nodes_.size(); }
  [[nodiscard]] bool is_live(NodeId id) const { return node_live_[static_cast<uint32_t>(id)]; }

  // Producers first; among ready nodes the one created first. Throws Error(kInvalidModel) on a cycle.
  [[nodiscard]] std::vector<NodeId> topological_order() const;

  std::vector<ValueId> inputs;   // graph inputs without constants
  std::vector<ValueId> outputs;

  void set_input(NodeId node, size_t slot, ValueId value);   // grows the list with kNoValue when needed
  void set_output(NodeId node, size_t slot, ValueId value);
  void erase_node(NodeId node);  // its outputs lose their producer
  void rename_value(ValueId value, std::string new_name);
  // Every reader of `from`, and the graph outputs, read `to` instead.
  void replace_all_uses(ValueId from, ValueId to);
  // Removes nodes whose outputs nobody reads, then values that nobody reads. Returns the number of nodes removed.
  size_t remove_unused();

  [[nodiscard]] bool is_output(ValueId value) const;
  [[nodiscard]] bool is_constant(ValueId value) const { return value != kNoValue && this->value(value).constant.has_value(); }
  [[nodiscard]] const Tensor* constant(ValueId value) const {
    return is_constant(value) ? &*this->value(value).constant : nullptr;
  }
  // The only reader of a value that is not a graph output, else kNoNode.
  [[nodiscard]] NodeId single_user(ValueId value) const;
  [[nodiscard]] NodeId producer(ValueId value) const { return value == kNoValue ? kNoNode : this->value(value).producer; }
  // Type of a value that shape inference has settled; throws Error(kUnsupported) naming the value otherwise.
  [[nodiscard]] const TensorType& type_of(ValueId value) const;

  // All violations of the invariants, one line each; empty when sound.
  [[nodiscard]] std::vector<std::string> verify() const;
  [[nodiscard]] std::string to_text() const;

 private:
  void drop_use(ValueId value, NodeId node);

  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<bool> value_live_;
  std::vector<bool> node_live_;
  std::unordered_map<std::string, ValueId> by_name_;
  std::unordered_map<std::string, NodeId> node_names_;
};

}  // namespace qtool::ir
