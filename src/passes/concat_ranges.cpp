#include "concat_ranges.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "grid_demand.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Node;
using ir::ValueId;
using model::ConcatPolicy;
using model::TensorPlan;
using Statistics = std::map<ValueId, calib::TensorStatistics>;

struct Part {
  ValueId value = ir::kNoValue;
  quant::Range range;
  [[nodiscard]] double magnitude() const { return std::max(std::abs(range.lo), std::abs(range.hi)); }
};

std::optional<quant::Range> range_of(const model::ModelState& state, const Statistics& statistics, ValueId id) {
  if (const Tensor* constant = state.graph.constant(id)) {
    if (constant->dtype() != DType::kFloat32 || constant->element_count() == 0) return std::nullopt;
    return quant::tensor_ranges(*constant, -1)[0];
  }
  const TensorPlan* plan = state.plan.find(id);
  if (plan == nullptr) return std::nullopt;
  const ValueId own = plan->untied_leader == ir::kNoValue ? plan->leader : plan->untied_leader;
  if (const auto given = state.encodings.find(own); given != state.encodings.end() && given->second.frozen && given->second.encoding.grids.size() == 1) {
    return quant::Range{given->second.encoding.min(), given->second.encoding.max()};
  }
  const TensorPlan* leader = state.plan.find(own);
  if (leader != nullptr && leader->fixed_range) return leader->fixed_range;
  const auto seen = statistics.find(own);
  if (seen == statistics.end() || seen->second.empty()) return std::nullopt;
  return seen->second.range;
}

// Parts that are zero throughout, or were never seen, say nothing.
std::vector<Part> parts_of(const model::ModelState& state, const Statistics& statistics, const Node& node) {
  std::vector<Part> parts;
  for (const ValueId id : node.inputs) {
    if (id == ir::kNoValue) continue;
    const std::optional<quant::Range> range = range_of(state, statistics, id);
    if (range && (range->lo != 0.0 || range->hi != 0.0)) parts.push_back({id, *range});
  }
  return parts;
}

class ConcatSettler {
 public:
  ConcatSettler(model::ModelState& state, const Statistics& statistics, const model::TargetProfile& profile, EncodingNotes& notes)
      : state_(state), statistics_(statistics), profile_(profile), notes_(notes),
        demand_(state.graph, profile, ops::builtin_registry(), state.plan.float_nodes) {}

  void settle(const Node& node) {
    const ValueId output = node.outputs[0];
    const std::vector<Part> parts = parts_of(state_, statistics_, node);
    if (state_.plan.find(output) == nullptr || parts.size() < 2) return;
    const auto [least, most] = std::ranges::minmax_element(parts, {}, &Part::magnitude);
    const double ratio = most->magnitude() / least->magnitude();
    if (ratio <= profile_.concat_threshold) return;
    const std::string found = format("{}: '{}' spans [{:.4g}, {:.4g}] and '{}' [{:.4g}, {:.4g}]", node.text(), name(least->value), least->range.lo,
                                     least->range.hi, name(most->value), most->range.lo, most->range.hi);
    notes_.concat.push_back(format("{}; {}", found, carry_out(node, output)));
  }

 private:
  const std::string& name(ValueId id) const { return state_.graph.value(id).name; }

  std::string carry_out(const Node& node, ValueId output) {
    const bool tied = is_tied(node, output);
    if (tied && profile_.concat_policy == ConcatPolicy::kTie) return "tied to one encoding, as asked for";
    if (tied) untie(output);
    const std::string inputs = tied ? "untied, every input keeps its own encoding" : "every input keeps its own encoding";
    if (profile_.concat_policy != ConcatPolicy::kAuto) return inputs + ", the output has one for the whole range";
    return inputs + (demand_.is_read_quantized(output) ? widen(output) : leave_float(node, output));
  }

  bool is_tied(const Node& node, ValueId output) const {
    const ValueId leader = state_.plan.find(output)->leader;
    return std::ranges::any_of(node.inputs, [&](ValueId id) {
      const TensorPlan* plan = id == ir::kNoValue ? nullptr : state_.plan.find(id);
      return plan != nullptr && plan->leader == leader && plan->untied_leader != leader;
    });
  }

  void untie(ValueId output) {
    const ValueId leader = state_.plan.find(output)->leader;
    for (auto& [id, plan] : state_.plan.tensors) {
      if (plan.leader == leader && plan.untied_leader != ir::kNoValue) plan.leader = plan.untied_leader;
    }
  }

  std::string widen(ValueId output) {
    const ValueId leader = state_.plan.find(output)->leader;
    for (auto& [id, plan] : state_.plan.tensors) {
      if (plan.leader != leader || plan.spec.bits >= 16) continue;
      plan.spec.bits = 16;
      plan.spec.min_range = profile_.minimum_range(16);
    }
    return ", the output has 16 bits because quantized operators read it";
  }

  std::string leave_float(const Node& node, ValueId output) {
    const ValueId leader = state_.plan.find(output)->leader;
    std::vector<ValueId> members;
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (plan.leader == leader) members.push_back(id);
    }
    for (const ValueId id : members) {
      state_.plan.tensors.erase(id);
      state_.plan.left_float[id] = "its parts differ too much in range for one encoding";
      state_.plan.requested_float.insert(id);
    }
    state_.plan.float_nodes.insert(node.id);
    return ", the output stays float";
  }

  model::ModelState& state_;
  const Statistics& statistics_;
  const model::TargetProfile& profile_;
  EncodingNotes& notes_;
  GridDemand demand_;
};

}  // namespace

void settle_concats(model::ModelState& state, const Statistics& statistics, const model::TargetProfile& profile, EncodingNotes& notes) {
  ConcatSettler settler(state, statistics, profile, notes);
  for (const ir::NodeId id : state.graph.topological_order()) {
    const Node& node = state.graph.node(id);
    if (node.op_type == "Concat" && !state.plan.float_nodes.contains(id)) settler.settle(node);
  }
}

void find_dead_parts(const model::ModelState& state, const Statistics& statistics, EncodingNotes& notes) {
  for (const ir::NodeId id : state.graph.topological_order()) {
    const Node& node = state.graph.node(id);
    if (node.op_type != "Concat") continue;
    const quant::Encoding* grid = model::find_encoding(state.encodings, node.outputs[0]);
    if (grid == nullptr || grid->grids.size() != 1) continue;
    for (const Part& part : parts_of(state, statistics, node)) {
      if (part.magnitude() >= grid->grids[0].scale / 2) continue;
      notes.concat_dead.push_back(format("{}: '{}' reaches {:.4g} only, but the output's grid [{:.4g}, {:.4g}] has steps of {:.4g}: all its values "
                                         "become zero. Use --concat_policy auto, --act16 or --float on this operator",
                                         node.text(), state.graph.value(part.value).name, part.magnitude(), grid->min(), grid->max(), grid->grids[0].scale));
    }
  }
}

}  // namespace qtool::passes
