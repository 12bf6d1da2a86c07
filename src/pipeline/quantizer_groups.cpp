#include "quantizer_groups.h"

#include <map>
#include <set>

#include "qtool/ops/registry.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using ir::ValueId;

class Grouper {
 public:
  explicit Grouper(const model::ModelState& state) : state_(state), graph_(state.graph) {}

  std::vector<QuantizerGroup> build() {
    for (const ValueId id : graph_.inputs) add_activation(id);
    for (const ir::NodeId id : graph_.topological_order()) {
      const ir::Node& node = graph_.node(id);
      for (const ValueId input : node.inputs) {
        if (graph_.is_constant(input) && has_grid(input) && placed_.insert(input).second) add_constant(node, input);
      }
      for (const ValueId output : node.outputs) {
        if (output != ir::kNoValue) add_activation(output);
      }
    }
    return std::move(groups_);
  }

 private:
  bool has_grid(ValueId id) const { return state_.encodings.contains(id); }

  ValueId leader_of(ValueId id) const {
    const model::TensorPlan* plan = state_.plan.find(id);
    return plan == nullptr || plan->leader == ir::kNoValue ? id : plan->leader;
  }

  QuantizerGroup& group_of(ValueId leader) {
    const auto [at, is_new] = index_.try_emplace(leader, groups_.size());
    if (is_new) groups_.push_back({.leader = leader});
    return groups_[at->second];
  }

  void name_after(QuantizerGroup& group, const ir::Node& node) const {
    group.name = node.name;
    group.op = node.op_type;
  }

  void add_activation(ValueId id) {
    if (!has_grid(id)) return;
    QuantizerGroup& group = group_of(leader_of(id));
    group.activations.push_back(id);
    if (!group.name.empty()) return;
    if (const ir::NodeId producer = graph_.producer(id); producer != ir::kNoNode) name_after(group, graph_.node(producer));
    else group.name = format("input '{}'", graph_.value(id).name);
  }

  // The first value with a grid at or behind the output of the operator, through a fused chain.
  ValueId output_with_grid(const ir::Node& node) const {
    ValueId id = node.outputs.empty() ? ir::kNoValue : node.outputs[0];
    while (id != ir::kNoValue && !has_grid(id)) {
      const ir::NodeId user = graph_.single_user(id);
      id = user == ir::kNoNode ? ir::kNoValue : graph_.node(user).outputs[0];
    }
    return id;
  }

  void add_constant(const ir::Node& node, ValueId id) {
    const ValueId output = output_with_grid(node);
    QuantizerGroup& group = group_of(output == ir::kNoValue ? id : leader_of(output));
    if (output == ir::kNoValue) group.leader = ir::kNoValue;
    group.constants.push_back(id);
    const ops::OpDef* op = ops::builtin_registry().find(node.domain, node.op_type);
    const bool is_layer = op != nullptr && op->traits.weight_input >= 0;
    if (group.name.empty() || is_layer) name_after(group, node);
  }

  const model::ModelState& state_;
  const ir::Graph& graph_;
  std::map<ValueId, size_t> index_;
  std::set<ValueId> placed_;
  std::vector<QuantizerGroup> groups_;
};

}  // namespace

std::vector<QuantizerGroup> quantizer_groups(const model::ModelState& state) { return Grouper(state).build(); }

}  // namespace qtool::pipeline
