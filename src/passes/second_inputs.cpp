#include "second_inputs.h"

#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::ValueId;

constexpr int kWideBits = 16;

class SecondInputs {
 public:
  SecondInputs(const ir::Graph& graph, const model::TargetProfile& profile, const std::map<ValueId, quant::Encoding>& fixed, model::QuantPlan& plan,
               PlanNotes& notes)
      : graph_(graph), profile_(profile), fixed_(fixed), plan_(plan), notes_(notes) {}

  // Whether something was widened, which may be the second input of another operator.
  bool settle(const ir::Node& node) {
    const auto limits = profile_.op_limits.find(node.op_type);
    if (limits == profile_.op_limits.end() || !limits->second.symmetric_second_at_16 || node.inputs.size() < 2) return false;
    if (plan_.float_nodes.contains(node.id) || graph_.is_constant(node.inputs[1])) return false;
    model::TensorPlan* second = leader_of(node.inputs[1]);
    if (second == nullptr || second->spec.bits < kWideBits) return false;
    second->spec.symmetry = profile_.symmetry(true);
    model::TensorPlan* first = leader_of(node.inputs[0]);
    if (first == nullptr || first->spec.bits >= kWideBits) return false;
    first->spec.bits = kWideBits;
    first->spec.min_range = profile_.minimum_range(kWideBits);
    notes_.grouped.push_back(format("{}: 16 bits, as the second input of {} has them", graph_.value(node.inputs[0]).name, node.text()));
    return true;
  }

 private:
  model::TensorPlan* leader_of(ValueId id) {
    const model::TensorPlan* own = plan_.find(id);
    if (own == nullptr || own->role != model::TensorRole::kActivation || fixed_.contains(own->leader)) return nullptr;
    return &plan_.tensors.at(own->leader);
  }

  const ir::Graph& graph_;
  const model::TargetProfile& profile_;
  const std::map<ValueId, quant::Encoding>& fixed_;
  model::QuantPlan& plan_;
  PlanNotes& notes_;
};

}  // namespace

void settle_second_inputs(const ir::Graph& graph, const std::vector<ir::NodeId>& order, const model::TargetProfile& profile,
                          const std::map<ValueId, quant::Encoding>& fixed, model::QuantPlan& plan, PlanNotes& notes) {
  SecondInputs inputs(graph, profile, fixed, plan, notes);
  for (bool widened = true; widened;) {
    widened = false;
    for (const ir::NodeId id : order) widened = inputs.settle(graph.node(id)) || widened;
  }
}

}  // namespace qtool::passes
