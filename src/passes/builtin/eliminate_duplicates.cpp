// Merges nodes that compute the same from the same inputs, and equal scalar constants in the same place of the same
// operator.
// BEFORE   x -> Relu -> a -> P;  x -> Relu -> b -> Q        AFTER   x -> Relu -> a -> P, Q
// REQUIRES operator, version and attributes are equal; inputs are the same values, or small constants with equal type,
//          shape and bytes; the operator is deterministic and has no subgraph; not both outputs are graph outputs.
//          Weights and biases are never merged: layers need encodings of their own. (Layers that also read the same
//          input are one layer.) Nor are the dequantized constants of a quantized model.
// FORMULA  -
// SOURCE   common subexpression elimination by value numbering
#include <map>
#include <optional>

#include "qtool/ops/registry.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

// Larger constants are compared by identity only; equal ones that matter are shapes, axes and scalars.
constexpr int64_t kMostComparedElements = 4096;

std::string content_key(const Tensor& tensor) {
  const auto bytes = tensor.bytes();
  return format("{}{}:{}", dtype_name(tensor.dtype()), tensor.shape().text(),
                std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string attribute_key(const ir::Attribute& attribute) {
  const std::string index = std::to_string(attribute.index());
  return std::visit(
      [&](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Tensor>) return index + content_key(value);
        // Hexadecimal: every float has a text of its own.
        else if constexpr (std::is_same_v<T, float>) return format("{}:{:a}", index, value);
        else if constexpr (std::is_same_v<T, std::vector<float>>) return format("{}:{:a}", index, join(value, ","));
        else if constexpr (std::is_same_v<T, std::shared_ptr<Graph>>) return {};
        else if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, std::string>) return format("{}:{}", index, value);
        else return format("{}:{}", index, join(value, "\x1f"));
      },
      attribute);
}

bool has_subgraph(const Node& node) {
  for (const auto& [name, attribute] : node.attributes) {
    if (std::holds_alternative<std::shared_ptr<Graph>>(attribute)) return true;
  }
  return false;
}

// The dequantized constant of a quantized model: a weight, a bias or another tensor with an encoding of its own.
bool makes_constant(const Graph& graph, const Node& node) {
  return node.op_type == "DequantizeLinear" && graph.is_constant(node.inputs[0]);
}

// Equal keys: equal results. nullopt: not comparable.
std::optional<std::string> node_key(const Graph& graph, const Node& node) {
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  if (def == nullptr || !def->deterministic || has_subgraph(node) || makes_constant(graph, node)) return std::nullopt;
  std::string key = format("{}/{}/{}", node.domain, node.op_type, node.opset);
  for (const auto& [name, attribute] : node.attributes) key += format("|{}={}", name, attribute_key(attribute));
  for (const ValueId input : node.inputs) {
    const Tensor* constant = graph.constant(input);
    const bool by_content = constant != nullptr && constant->dtype() != DType::kString &&
                            constant->element_count() <= kMostComparedElements;
    key += by_content ? "|c" + content_key(*constant) : format("|v{}", static_cast<uint32_t>(input));
  }
  for (const ValueId output : node.outputs) key += output == kNoValue ? "|-" : "|o";
  return key;
}

bool can_merge(const Graph& graph, const Node& kept, const Node& duplicate) {
  for (size_t i = 0; i < kept.outputs.size(); ++i) {
    if (kept.outputs[i] != kNoValue && graph.is_output(kept.outputs[i]) && graph.is_output(duplicate.outputs[i])) return false;
  }
  return true;
}

int64_t merge_nodes(Graph& graph) {
  std::map<std::string, NodeId> seen;
  int64_t merged = 0;
  for (const NodeId id : graph.topological_order()) {
    const auto key = node_key(graph, graph.node(id));
    if (!key) continue;
    const auto [at, is_new] = seen.try_emplace(*key, id);
    if (is_new || !can_merge(graph, graph.node(at->second), graph.node(id))) continue;
    const std::vector<ValueId> kept = graph.node(at->second).outputs, duplicate = graph.node(id).outputs;
    bool done = true;
    for (size_t i = 0; i < kept.size() && graph.is_live(id); ++i) {
      if (kept[i] != kNoValue) done = redirect(graph, duplicate[i], kept[i]) && done;
    }
    if (done) ++merged;
  }
  return merged;
}

// Where a scalar is read: operator and slot. nullopt when readers differ, or take it as a weight or bias.
std::optional<std::string> reading_place(const Graph& graph, ValueId id) {
  std::optional<std::string> place;
  for (const NodeId user : graph.value(id).uses) {
    const Node& node = graph.node(user);
    const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
    if (def == nullptr) return std::nullopt;
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      if (node.inputs[slot] != id) continue;
      const int index = static_cast<int>(slot);
      if (index == def->traits.weight_input || index == def->traits.bias_input) return std::nullopt;
      const std::string here = format("{}/{}/{}", node.domain, node.op_type, slot);
      if (place && *place != here) return std::nullopt;
      place = here;
    }
  }
  return place;
}

int64_t merge_scalars(Graph& graph) {
  std::map<std::string, ValueId> seen;
  int64_t merged = 0;
  for (const ValueId id : graph.value_ids()) {
    const Tensor* constant = graph.constant(id);
    if (constant == nullptr || constant->element_count() != 1 || constant->dtype() == DType::kString) continue;
    if (graph.is_output(id)) continue;
    const auto place = reading_place(graph, id);
    if (!place) continue;
    const auto [at, is_new] = seen.try_emplace(*place + content_key(*constant), id);
    if (is_new) continue;
    graph.replace_all_uses(id, at->second);
    ++merged;
  }
  return merged;
}

class EliminateDuplicates final : public Pass {
 public:
  PassResult run(model::ModelState& state, Reporter&) override {
    PassResult result{.changes = merge_scalars(state.graph)};
    result.changes += merge_nodes(state.graph);
    if (result.changes > 0) state.graph.remove_unused();
    return result;
  }
};

}  // namespace

void register_eliminate_duplicates(Registry& registry) {
  registry.add({.name = "eliminate_duplicates",
                .summary = "Merges nodes that compute the same, and equal scalar constants.",
                .category = PassCategory::kCleanup,
                .order = 15},
               [] { return std::make_unique<EliminateDuplicates>(); });
}

}  // namespace qtool::passes
