#include "grid_demand.h"

#include <algorithm>
#include <ranges>

namespace qtool::passes {

GridDemand::GridDemand(const ir::Graph& graph, const model::TargetProfile& profile, const ops::Registry& registry,
                       const std::set<ir::NodeId>& float_nodes) {
  for (const ir::NodeId id : graph.topological_order() | std::views::reverse) {
    const ir::Node& node = graph.node(id);
    const bool on_codes = registry.at(node).traits.flow != ops::ValueFlow::kNotNumeric && !profile.unquantized_ops.contains(node.op_type);
    if (float_nodes.contains(id) || !on_codes) continue;
    const bool moves = profile.same_encoding_ops.contains(node.op_type);
    const bool result_wanted = std::ranges::any_of(node.outputs, [&](ir::ValueId output) { return wanted_.contains(output); });
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      if (moves && slot == 0 ? result_wanted : true) wanted_.insert(node.inputs[slot]);
    }
  }
}

}  // namespace qtool::passes
