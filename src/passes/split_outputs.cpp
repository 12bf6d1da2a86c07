#include "qtool/passes/split_outputs.h"

#include <algorithm>
#include <set>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::ValueId;

// Why the output cannot be split; empty where it can.
std::string obstacle(const Graph& graph, ValueId output) {
  const ir::NodeId producer = graph.producer(output);
  if (producer == ir::kNoNode) return "no operator makes it";
  const ir::Node& node = graph.node(producer);
  if (!node.domain.empty() || node.op_type != "Concat") return format("{} makes it, not a Concat", node.text());
  std::set<ValueId> parts;
  for (const ValueId part : node.inputs) {
    if (graph.is_constant(part)) return format("its part '{}' is a constant", graph.value(part).name);
    if (graph.is_output(part) || !parts.insert(part).second) return format("its part '{}' would be an output twice", graph.value(part).name);
  }
  return parts.size() < 2 ? "it has one part only" : "";
}

std::vector<ValueId> splittable(const Graph& graph) {
  std::vector<ValueId> found;
  std::ranges::copy_if(graph.outputs, std::back_inserter(found), [&](ValueId id) { return obstacle(graph, id).empty(); });
  return found;
}

std::string names_of(const Graph& graph, const std::vector<ValueId>& values) {
  std::vector<std::string> names;
  for (const ValueId id : values) names.push_back(graph.value(id).name);
  return names.empty() ? "none" : format("{}", join(names, ", "));
}

[[noreturn]] void refuse(const Graph& graph, const std::string& wanted, const std::string& reason) {
  throw Error(ErrorCode::kUsage, format("--split-output {}: {}; outputs that can be split: {}", wanted, reason, names_of(graph, splittable(graph))));
}

std::vector<ValueId> chosen(const Graph& graph, const std::vector<std::string>& wanted) {
  std::vector<ValueId> outputs;
  for (const std::string& name : wanted) {
    if (name == kAllOutputs) {
      outputs = splittable(graph);
      if (outputs.empty()) refuse(graph, name, "no output is made by a Concat of activations");
      return outputs;
    }
    const ValueId id = graph.find_value(name);
    if (id == ir::kNoValue || !graph.is_output(id)) refuse(graph, name, format("the model has no such output (its outputs: {})", names_of(graph, graph.outputs)));
    if (const std::string reason = obstacle(graph, id); !reason.empty()) refuse(graph, name, reason);
    if (std::ranges::find(outputs, id) == outputs.end()) outputs.push_back(id);
  }
  return outputs;
}

}  // namespace

std::vector<SplitOutput> split_outputs(ir::Graph& graph, const std::vector<std::string>& wanted) {
  std::vector<SplitOutput> splits;
  for (const ValueId id : chosen(graph, wanted)) {
    const std::vector<ValueId> parts = graph.node(graph.producer(id)).inputs;
    SplitOutput split{.output = graph.value(id).name, .parts = {}};
    for (const ValueId part : parts) split.parts.push_back(graph.value(part).name);
    const auto at = graph.outputs.erase(std::ranges::find(graph.outputs, id));
    graph.outputs.insert(at, parts.begin(), parts.end());
    splits.push_back(std::move(split));
  }
  graph.remove_unused();
  return splits;
}

}  // namespace qtool::passes
