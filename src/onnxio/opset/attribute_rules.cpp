// Attributes that became inputs.
#include <array>
#include <utility>

#include "qtool/support/error.h"
#include "upgrade_rule.h"

namespace qtool::onnxio {

namespace {

Tensor as_tensor(const ir::Attribute& attribute) {
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&attribute)) {
    return Tensor::from<int64_t>({static_cast<int64_t>(ints->size())}, std::span<const int64_t>(*ints));
  }
  if (const auto* floats = std::get_if<std::vector<float>>(&attribute)) {
    return Tensor::from<float>({static_cast<int64_t>(floats->size())}, std::span<const float>(*floats));
  }
  if (const auto* number = std::get_if<float>(&attribute)) return Tensor::scalar(*number);
  if (const auto* number = std::get_if<int64_t>(&attribute)) return Tensor::from<int64_t>({1}, {*number});
  throw Error(ErrorCode::kInvalidModel, "an attribute that became an input is not a number");
}

// The bounds of Clip and the padding value have the type of the data, which may be half precision.
void match_data_type(ir::Graph& graph, ir::NodeId id, size_t slot) {
  const ir::Node& node = graph.node(id);
  if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNoValue) return;
  const auto& data = graph.value(node.inputs[0]).type;
  ir::Value& bound = graph.value(node.inputs[slot]);
  if (!data || data->dtype == bound.constant->dtype()) return;
  bound.constant = bound.constant->cast(data->dtype);
  bound.type = bound.constant->type();
}

}  // namespace

void set_constant_input(ir::Graph& graph, ir::NodeId node, std::string_view key, size_t slot, Tensor tensor) {
  const std::string name = graph.unique_name(graph.node(node).name + "." + std::string(key));
  graph.set_input(node, slot, graph.add_constant(name, std::move(tensor)));
}

void attribute_to_input(ir::Graph& graph, ir::NodeId node, std::string_view key, size_t slot) {
  auto& attributes = graph.node(node).attributes;
  const auto at = attributes.find(key);
  if (at == attributes.end()) return;
  Tensor tensor = as_tensor(at->second);
  attributes.erase(at);
  set_constant_input(graph, node, key, slot, std::move(tensor));
}

void add_attribute_rules(UpgradeRules& rules) {
  const auto move = [&](std::string op_type, int64_t since, std::vector<std::pair<std::string, size_t>> keys) {
    rules.push_back({std::move(op_type), since, [keys = std::move(keys)](ir::Graph& graph, ir::NodeId node) {
                       for (const auto& [key, slot] : keys) attribute_to_input(graph, node, key, slot);
                     }});
  };
  move("Slice", 10, {{"starts", 1}, {"ends", 2}, {"axes", 3}});
  move("TopK", 10, {{"k", 1}});
  move("Dropout", 12, {{"ratio", 1}});
  move("Squeeze", 13, {{"axes", 1}});
  move("Unsqueeze", 13, {{"axes", 1}});
  move("Split", 13, {{"split", 1}});
  move("ReduceSum", 13, {{"axes", 1}});
  static constexpr std::array kReductions{"ReduceL1",  "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp",
                                          "ReduceMax", "ReduceMean", "ReduceMin",   "ReduceProd", "ReduceSumSquare"};
  for (const char* reduction : kReductions) move(reduction, 18, {{"axes", 1}});

  rules.push_back({"Pad", 11, [](ir::Graph& graph, ir::NodeId node) {
                     attribute_to_input(graph, node, "pads", 1);
                     attribute_to_input(graph, node, "value", 2);
                     match_data_type(graph, node, 2);
                   }});
  rules.push_back({"Clip", 11, [](ir::Graph& graph, ir::NodeId node) {
                     attribute_to_input(graph, node, "min", 1);
                     attribute_to_input(graph, node, "max", 2);
                     match_data_type(graph, node, 1);
                     match_data_type(graph, node, 2);
                   }});
}

}  // namespace qtool::onnxio
