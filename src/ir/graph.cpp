#include "qtool/ir/graph.h"

#include <algorithm>
#include <queue>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ir {

namespace {
constexpr uint32_t index(ValueId id) { return static_cast<uint32_t>(id); }
constexpr uint32_t index(NodeId id) { return static_cast<uint32_t>(id); }
}  // namespace

ValueId Graph::add_value(std::string value_name, std::optional<TensorType> type) {
  const ValueId id{static_cast<uint32_t>(values_.size())};
  if (!by_name_.emplace(value_name, id).second) {
    throw Error(ErrorCode::kInvalidModel, "two tensors have the same name").with("tensor", value_name);
  }
  values_.push_back({.id = id, .name = std::move(value_name), .type = std::move(type)});
  value_live_.push_back(true);
  return id;
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  const ValueId id = add_value(std::move(value_name), tensor.type());
  value(id).constant = std::move(tensor);
  return id;
}

NodeId Graph::add_node(Node node) {
  const NodeId id{static_cast<uint32_t>(nodes_.size())};
  node.id = id;
  if (node.name.empty() || node_names_.contains(node.name)) {
    const std::string stem = node.name.empty() ? node.op_type : node.name;
    node.name = stem;
    for (int suffix = 1; node_names_.contains(node.name); ++suffix) node.name = format("{}_{}", stem, suffix);
  }
  node_names_.emplace(node.name, id);
  for (const ValueId input : node.inputs) {
    if (input != kNoValue) value(input).uses.push_back(id);
  }
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    if (value(output).producer != kNoNode || value(output).constant) {
      throw Error(ErrorCode::kInvalidModel, "a tensor has two producers").with("tensor", value(output).name);
    }
    value(output).producer = id;
  }
  nodes_.push_back(std::move(node));
  node_live_.push_back(true);
  return id;
}

std::string Graph::unique_name(std::string_view stem) const {
  std::string candidate(stem);
  for (int suffix = 1; by_name_.contains(candidate); ++suffix) candidate = format("{}_{}", stem, suffix);
  return candidate;
}

ValueId Graph::find_value(std::string_view value_name) const {
  const auto at = by_name_.find(std::string(value_name));
  return at == by_name_.end() ? kNoValue : at->second;
}

std::vector<NodeId> Graph::node_ids() const {
  std::vector<NodeId> ids;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (node_live_[i]) ids.push_back(NodeId{i});
  }
  return ids;
}

std::vector<ValueId> Graph::value_ids() const {
  std::vector<ValueId> ids;
  for (uint32_t i = 0; i < values_.size(); ++i) {
    if (value_live_[i]) ids.push_back(ValueId{i});
  }
  return ids;
}

std::vector<NodeId> Graph::topological_order() const {
  std::vector<int> waiting(nodes_.size(), 0);
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  size_t live = 0;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!node_live_[i]) continue;
    ++live;
    for (const ValueId input : nodes_[i].inputs) {
      if (input != kNoValue && value(input).producer != kNoNode) ++waiting[i];
    }
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<NodeId> order;
  order.reserve(live);
  while (!ready.empty()) {
    const uint32_t at = ready.top();
    ready.pop();
    order.push_back(NodeId{at});
    for (const ValueId output : nodes_[at].outputs) {
      if (output == kNoValue) continue;
      for (const NodeId user : value(output).uses) {
        if (--waiting[index(user)] == 0) ready.push(index(user));
      }
    }
  }
  if (order.size() != live) {
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      if (node_live_[i] && waiting[i] > 0) {
        throw Error(ErrorCode::kInvalidModel, "the graph has a cycle").with("node", nodes_[i].name);
      }
    }
  }
  return order;
}

void Graph::drop_use(ValueId id, NodeId user) {
  auto& uses = value(id).uses;
  const auto at = std::find(uses.begin(), uses.end(), user);
  QTOOL_CHECK(at != uses.end());
  uses.erase(at);
}

void Graph::set_input(NodeId id, size_t slot, ValueId new_value) {
  auto& list = node(id).inputs;
  if (slot >= list.size()) list.resize(slot + 1, kNoValue);
  if (list[slot] != kNoValue) drop_use(list[slot], id);
  list[slot] = new_value;
  if (new_value != kNoValue) value(new_value).uses.push_back(id);
}

void Graph::set_output(NodeId id, size_t slot, ValueId new_value) {
  auto& list = node(id).outputs;
  if (slot >= list.size()) list.resize(slot + 1, kNoValue);
  if (list[slot] != kNoValue) value(list[slot]).producer = kNoNode;
  list[slot] = new_value;
  if (new_value != kNoValue) {
    QTOOL_CHECK(value(new_value).producer == kNoNode);
    value(new_value).producer = id;
  }
}

void Graph::erase_node(NodeId id) {
  Node& erased = node(id);
  for (const ValueId input : erased.inputs) {
    if (input != kNoValue) drop_use(input, id);
  }
  for (const ValueId output : erased.outputs) {
    if (output != kNoValue && value(output).producer == id) value(output).producer = kNoNode;
  }
  node_names_.erase(erased.name);
  node_live_[index(id)] = false;
  erased.inputs.clear();
  erased.outputs.clear();
}

void Graph::rename_value(ValueId id, std::string new_name) {
  Value& renamed = value(id);
  if (renamed.name == new_name) return;
  if (!by_name_.emplace(new_name, id).second) {
    throw Error(ErrorCode::kInternal, "rename to a tensor name that exists").with("tensor", new_name);
  }
  by_name_.erase(renamed.name);
  renamed.name = std::move(new_name);
}

void Graph::replace_all_uses(ValueId from, ValueId to) {
  const std::vector<NodeId> users = value(from).uses;
  for (const NodeId user : users) {
    auto& list = node(user).inputs;
    for (size_t slot = 0; slot < list.size(); ++slot) {
      if (list[slot] == from) set_input(user, slot, to);
    }
  }
  std::replace(outputs.begin(), outputs.end(), from, to);
}

size_t Graph::remove_unused() {
  size_t removed = 0;
  const std::vector<NodeId> order = topological_order();
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const auto& results = node(*at).outputs;
    const bool used = std::any_of(results.begin(), results.end(), [&](ValueId output) {
      return output != kNoValue && (!value(output).uses.empty() || is_output(output));
    });
    if (!used) {
      erase_node(*at);
      ++removed;
    }
  }
  for (uint32_t i = 0; i < values_.size(); ++i) {
    const ValueId id{i};
    if (!value_live_[i] || values_[i].producer != kNoNode || !values_[i].uses.empty() || is_output(id)) continue;
    if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) continue;
    by_name_.erase(values_[i].name);
    values_[i].constant.reset();
    value_live_[i] = false;
  }
  return removed;
}

bool Graph::is_output(ValueId id) const { return std::find(outputs.begin(), outputs.end(), id) != outputs.end(); }

NodeId Graph::single_user(ValueId id) const {
  const Value& v = value(id);
  return v.uses.size() == 1 && !is_output(id) ? v.uses.front() : kNoNode;
}

const TensorType& Graph::type_of(ValueId id) const {
  const Value& v = value(id);
  if (!v.type) {
    throw Error(ErrorCode::kUnsupported, "the shape of this tensor depends on data; a fixed shape is needed here")
        .with("tensor", v.name);
  }
  return *v.type;
}

std::vector<std::string> Graph::verify() const {
  std::vector<std::string> problems;
  std::vector<size_t> uses(values_.size(), 0);
  for (const NodeId id : node_ids()) {
    for (const ValueId input : node(id).inputs) {
      if (input == kNoValue) continue;
      ++uses[index(input)];
      if (!value_live_[index(input)]) problems.push_back(format("{} reads an erased tensor", node(id).text()));
    }
    for (const ValueId output : node(id).outputs) {
      if (output != kNoValue && value(output).producer != id) {
        problems.push_back(format("{} is not the producer of its output '{}'", node(id).text(), value(output).name));
      }
    }
  }
  for (const ValueId id : value_ids()) {
    const Value& v = value(id);
    if (v.uses.size() != uses[index(id)]) problems.push_back(format("tensor '{}' has a wrong use list", v.name));
    const bool is_input = std::find(inputs.begin(), inputs.end(), id) != inputs.end();
    if (v.producer == kNoNode && !v.constant && !is_input && (!v.uses.empty() || is_output(id))) {
      problems.push_back(format("tensor '{}' is read but nothing produces it", v.name));
    }
    if (v.constant && v.producer != kNoNode) problems.push_back(format("constant '{}' has a producer", v.name));
  }
  return problems;
}

std::string Graph::to_text() const {
  std::string text;
  const auto names = [&](const std::vector<ValueId>& ids) {
    std::vector<std::string> list;
    for (const ValueId id : ids) {
      list.push_back(id == kNoValue ? "-" : value(id).name + (value(id).type ? value(id).type->shape.text() : ""));
    }
    return format("{}", join(list, ", "));
  };
  text += format("inputs: {}\n", names(inputs));
  for (const NodeId id : topological_order()) {
    text += format("{} = {}({})  # {}\n", names(node(id).outputs), node(id).op_type, names(node(id).inputs), node(id).name);
  }
  text += format("outputs: {}\n", names(outputs));
  return text;
}

}  // namespace qtool::ir
