#include "qtool/passes/plan_quantization.h"

#include <algorithm>
#include <limits>

#include "grid_demand.h"
#include "precision_rules.h"
#include "qtool/ops/recurrent.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "second_inputs.h"
#include "weight_plan.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using model::TensorPlan;
using model::TensorRole;

// Slots whose constants are numbers the operator computes with, not shapes, bounds or indices.
bool is_numeric_operand(const Node& node, size_t slot) {
  static const std::set<std::string> kAll = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "Mean", "Concat",
                                             "MatMul", "PRelu", "Equal", "Greater", "Less"};
  static const std::set<std::string> kFirst = {"Gather", "GatherElements", "GatherND", "Expand", "Tile", "Reshape",
                                               "Transpose", "Slice", "Unsqueeze", "Squeeze", "Flatten"};
  static const std::set<std::string> kNormalization = {"LayerNormalization", "InstanceNormalization",
                                                       "GroupNormalization", "RMSNormalization"};
  if (kAll.contains(node.op_type)) return true;
  if (kFirst.contains(node.op_type)) return slot == 0;
  if (kNormalization.contains(node.op_type)) return slot == 1;
  if (node.op_type == "Where") return slot > 0;
  return false;
}

bool is_normalization_bias(const Node& node, size_t slot) {
  return slot == 2 && (node.op_type == "LayerNormalization" || node.op_type == "InstanceNormalization" ||
                       node.op_type == "GroupNormalization");
}

class Planner {
 public:
  Planner(model::ModelState& state, const model::TargetProfile& profile, const ops::Registry& registry,
          const PlanOptions& options)
      : options_(options), graph_(state.graph), plan_(state.plan), profile_(profile), registry_(registry),
        hand_(resolve_precision(state.graph, registry, options)) {
    plan_ = {};
    plan_.float_nodes = hand_.float_nodes;
    notes_.rules = hand_.counts;
  }

  PlanNotes build() {
    order_ = graph_.topological_order();
    for (const NodeId id : order_) take_float_tensors(graph_.node(id));
    for (const NodeId id : order_) mark_fused_group(graph_.node(id));
    for (const NodeId id : order_) fall_back_to_float(graph_.node(id));
    const GridDemand demand(graph_, profile_, registry_, plan_.float_nodes);
    for (const ValueId input : graph_.inputs) plan_input(input, demand);
    for (const NodeId id : order_) plan_outputs(graph_.node(id), demand);
    for (const std::vector<ValueId>& values : options_.shared_grids) share_grid(values);
    for (const NodeId id : order_) plan_operands(graph_.node(id));
    for (auto& [id, plan] : plan_.tensors) plan.untied_leader = plan.leader;
    for (const NodeId id : order_) tie(graph_.node(id));
    settle_widths();
    for (const NodeId id : order_) plan_parameters(graph_.node(id));
    return std::move(notes_);
  }

 private:
  bool is_float(ValueId id) const {
    return id != kNoValue && graph_.value(id).type && graph_.value(id).type->dtype == DType::kFloat32;
  }
  bool is_float_node(const Node& node) const { return plan_.float_nodes.contains(node.id); }

  quant::QuantSpec activation_spec(int bits) const {
    return {.bits = bits, .symmetry = profile_.symmetry(profile_.activation_symmetric), .min_range = profile_.minimum_range(bits)};
  }

  TensorPlan& add_activation(ValueId id, std::string reason) {
    return plan_.tensors[id] = {.role = TensorRole::kActivation, .spec = activation_spec(profile_.activation_bits), .leader = id,
                                .reason = std::move(reason)};
  }

  // The grid of this tensor comes from a file: it leads, whatever its operator would do.
  bool plan_fixed(ValueId id) {
    const auto fixed = options_.fixed.find(id);
    if (fixed == options_.fixed.end()) return false;
    plan_.left_float.erase(id);
    add_activation(id, "encodings file").spec.bits = fixed->second.bits;
    return true;
  }

  // ---- float -------------------------------------------------------------------------------------------------

  // A layer is float as a whole: a float weight, bias or output takes the others along.
  void take_float_tensors(const Node& node) {
    const auto is_taken = [&](ValueId id) { return options_.float_tensors.contains(id); };
    const ops::QuantTraits& traits = registry_.at(node).traits;
    const auto parameter = [&](int slot) {
      return slot >= 0 && static_cast<size_t>(slot) < node.inputs.size() && is_taken(node.inputs[static_cast<size_t>(slot)]);
    };
    const bool whole = std::ranges::any_of(ops::whole_weights(node), [&](size_t slot) { return parameter(static_cast<int>(slot)); });
    if (std::ranges::any_of(node.outputs, is_taken) || parameter(traits.weight_input) || parameter(traits.bias_input) || whole) {
      plan_.float_nodes.insert(node.id);
    }
  }

  // Operators that the profile does not compute in integers; those fused into one that it does are part of it.
  void fall_back_to_float(const Node& node) {
    if (profile_.quantized_ops.empty() || profile_.quantized_ops.contains(node.op_type) || profile_.same_encoding_ops.contains(node.op_type)) return;
    if (fused_nodes_.contains(node.id) || registry_.at(node).traits.flow == ops::ValueFlow::kNotNumeric) return;
    plan_.float_nodes.insert(node.id);
  }

  void leave_float(ValueId id, std::string reason) {
    plan_.left_float[id] = std::move(reason);
    plan_.requested_float.insert(id);
  }

  // ---- activations -------------------------------------------------------------------------------------------

  void mark_fused_group(const Node& first) {
    const std::vector<std::string>* best = nullptr;
    std::vector<const Node*> best_nodes;
    for (const auto& group : profile_.fused_groups) {
      if (group.empty() || group[0] != first.op_type || (best != nullptr && best->size() >= group.size())) continue;
      std::vector<const Node*> nodes = chain(first, group);
      if (nodes.size() != group.size()) continue;
      best = &group;
      best_nodes = std::move(nodes);
    }
    if (best != nullptr) settle_group(best_nodes, format("{}", join(*best, "+")));
  }

  std::vector<const Node*> chain(const Node& first, const std::vector<std::string>& group) const {
    std::vector<const Node*> nodes = {&first};
    while (nodes.size() < group.size()) {
      const Node& at = *nodes.back();
      if (at.outputs.size() != 1 || options_.fixed.contains(at.outputs[0])) break;
      const NodeId user = graph_.single_user(at.outputs[0]);
      if (user == kNoNode || graph_.node(user).op_type != group[nodes.size()] || graph_.node(user).inputs[0] != at.outputs[0]) break;
      nodes.push_back(&graph_.node(user));
    }
    return nodes;
  }

  // What is asked for one member of a fused group holds for all: the backend computes them as one operator.
  void settle_group(const std::vector<const Node*>& nodes, const std::string& name) {
    const ValueId result = nodes.back()->outputs[0];
    if (std::ranges::any_of(nodes, [&](const Node* node) { return is_float_node(*node); })) {
      for (const Node* node : nodes) plan_.float_nodes.insert(node->id);
      return;
    }
    const bool by_profile = profile_.quantized_ops.empty() || profile_.quantized_ops.contains(nodes[0]->op_type);
    for (size_t i = 0; by_profile && i < nodes.size(); ++i) fused_nodes_.insert(nodes[i]->id);
    for (size_t i = 0; i + 1 < nodes.size() && by_profile; ++i) {
      const ValueId inner = nodes[i]->outputs[0];
      plan_.fused_inside.insert(inner);
      plan_.left_float[inner] = format("inside the fused group {}", name);
      if (const auto asked = hand_.activations.find(inner); asked != hand_.activations.end()) strengthen(result, asked->second, inner);
    }
  }

  void strengthen(ValueId id, const HandPrecision::Choice& choice, ValueId asked) {
    const auto at = hand_.activations.find(id);
    if (at != hand_.activations.end() && at->second.rule >= choice.rule) return;
    hand_.activations[id] = choice;
    notes_.grouped.push_back(format("{}: {} bits, as '{}' shares its encoding", graph_.value(id).name, choice.bits, graph_.value(asked).name));
  }

  void plan_input(ValueId input, const GridDemand& demand) {
    if (!is_float(input) || plan_fixed(input) || !profile_.quantize_inputs) return;
    const bool feeds_island = std::ranges::any_of(graph_.value(input).uses, [&](NodeId user) { return plan_.float_nodes.contains(user); });
    if (feeds_island && !demand.is_read_quantized(input)) return leave_float(input, "read by float operators only");
    add_activation(input, "model input");
  }

  void plan_outputs(const Node& node, const GridDemand& demand) {
    for (const ValueId id : node.outputs) {
      if (!is_float(id) || plan_fixed(id) || plan_.left_float.contains(id)) continue;
      if (is_float_node(node)) plan_island_output(id, demand);
      else plan_output(node, id);
    }
  }

  void plan_island_output(ValueId id, const GridDemand& demand) {
    if (demand.is_read_quantized(id)) add_activation(id, "border of a float island, quantized for its readers");
    else leave_float(id, "kept float on request");
  }

  void plan_output(const Node& node, ValueId id) {
    if (profile_.unquantized_ops.contains(node.op_type) || registry_.at(node).traits.flow == ops::ValueFlow::kNotNumeric) {
      plan_.left_float[id] = format("outputs of {} are not quantized", node.op_type);
      return;
    }
    if (!profile_.quantize_outputs && graph_.is_output(id) && graph_.value(id).uses.empty()) {
      plan_.left_float[id] = "model outputs are not quantized";
      return;
    }
    const bool moves = profile_.same_encoding_ops.contains(node.op_type) && !node.inputs.empty();
    if (moves && plan_.requested_float.contains(node.inputs[0])) return leave_float(id, format("{} moves a float tensor", node.op_type));
    if (const TensorPlan* source = moves ? plan_.find(node.inputs[0]) : nullptr) {
      const TensorPlan kept = *source;
      TensorPlan& plan = add_activation(id, format("{} keeps the encoding of its input", node.op_type));
      plan.leader = kept.leader;
      plan.spec = kept.spec;
      return;
    }
    TensorPlan& plan = add_activation(id, format("output of {}", node.op_type));
    if (const auto fixed = profile_.fixed_output_ranges.find(node.op_type); fixed != profile_.fixed_output_ranges.end()) {
      plan.fixed_range = fixed->second;
      plan.reason = format("prescribed range of {}", node.op_type);
    }
  }

  // Constants that an operator computes with as it does with activations.
  void plan_operands(const Node& node) {
    if (is_float_node(node)) return;
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const ValueId id = node.inputs[slot];
      if (!is_float(id) || !graph_.is_constant(id) || plan_.tensors.contains(id) || is_parameter(node, slot)) continue;
      if (is_normalization_bias(node, slot) || !is_numeric_operand(node, slot)) continue;
      if (!plan_fixed(id)) add_activation(id, format("constant operand of {}", node.op_type));
    }
  }

  static bool is_whole_weight(const Node& node, size_t slot) {
    const auto slots = ops::whole_weights(node);
    return std::ranges::find(slots, slot) != slots.end();
  }

  bool is_parameter(const Node& node, size_t slot) const {
    const ops::QuantTraits& traits = registry_.at(node).traits;
    return is_whole_weight(node, slot) || static_cast<int>(slot) == traits.weight_input || static_cast<int>(slot) == traits.bias_input;
  }

  // The first value leads the others, and with each those that share its grid already. A prescribed range of one is that of all.
  void share_grid(const std::vector<ValueId>& values) {
    const TensorPlan* first = plan_.find(values.front());
    if (first == nullptr || options_.fixed.contains(first->leader)) return;
    const TensorPlan leader = *first;
    std::set<ValueId> former{leader.leader};
    std::optional<quant::Range> prescribed = leader.fixed_range;
    for (const ValueId id : values) {
      const TensorPlan* plan = plan_.find(id);
      if (plan == nullptr || options_.fixed.contains(plan->leader)) continue;
      former.insert(plan->leader);
      if (!prescribed) prescribed = plan->fixed_range;
    }
    for (auto& [id, plan] : plan_.tensors) {
      if (!former.contains(plan.leader)) continue;
      plan.leader = leader.leader;
      plan.spec = leader.spec;
      plan.fixed_range = prescribed;
    }
  }

  // All inputs and the output of a tied operator take the output's encoding, unless that is prescribed elsewhere.
  void tie(const Node& node) {
    const bool tied = profile_.tied_ops.contains(node.op_type) || (node.op_type == "Concat" && profile_.concat_policy == model::ConcatPolicy::kTie);
    if (!tied || node.outputs.empty() || plan_.find(node.outputs[0]) == nullptr) return;
    const ValueId leader = plan_.tensors.at(node.outputs[0]).leader;
    if (options_.fixed.contains(leader)) return;
    for (const ValueId input : node.inputs) {
      const TensorPlan* plan = input == kNoValue ? nullptr : plan_.find(input);
      if (plan == nullptr || plan->role != TensorRole::kActivation || plan->fixed_range || options_.fixed.contains(plan->leader)) continue;
      const ValueId former = plan->leader;
      for (auto& [id, other] : plan_.tensors) {
        if (other.leader == former) other.leader = leader;
      }
    }
  }

  // ---- widths ------------------------------------------------------------------------------------------------

  void settle_widths() {
    for (const auto& [id, bits] : options_.tensor_bits) {
      if (plan_.find(id) != nullptr) hand_.activations[id] = {bits, std::numeric_limits<size_t>::max()};
    }
    // A follower that was asked for changes its leader, and with it all that share the encoding.
    for (const auto& [id, plan] : plan_.tensors) {
      const auto asked = hand_.activations.find(id);
      if (asked == hand_.activations.end() || plan.role != TensorRole::kActivation || plan.leader == id) continue;
      const HandPrecision::Choice choice = asked->second;
      strengthen(plan.leader, choice, id);
    }
    for (auto& [id, plan] : plan_.tensors) {
      if (plan.role == TensorRole::kActivation && plan.leader == id && !options_.fixed.contains(id)) plan.spec = activation_spec(width_of(id));
    }
    settle_second_inputs(graph_, order_, profile_, options_.fixed, plan_, notes_);
    for (auto& [id, plan] : plan_.tensors) {
      if (plan.role == TensorRole::kActivation && plan.leader != id) plan.spec = plan_.tensors.at(plan.leader).spec;
    }
  }

  int width_of(ValueId id) {
    const auto asked = hand_.activations.find(id);
    const bool by_hand = asked != hand_.activations.end();
    const int wanted = by_hand ? asked->second.bits : profile_.activation_bits;
    const NodeId producer = graph_.producer(id);
    if (producer == kNoNode) return wanted;
    return allowed_activation_bits(graph_.node(producer), wanted, by_hand, profile_, notes_.limited);
  }

  // ---- parameters --------------------------------------------------------------------------------------------

  void plan_parameters(const Node& node) {
    const ops::QuantTraits& traits = registry_.at(node).traits;
    if (is_float_node(node)) {
      for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
        const ValueId id = node.inputs[slot];
        const bool numeric = is_parameter(node, slot) || is_numeric_operand(node, slot) || is_normalization_bias(node, slot);
        if (numeric && is_float(id) && graph_.is_constant(id) && !plan_.tensors.contains(id)) plan_.requested_float.insert(id);
      }
      return;
    }
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const ValueId id = node.inputs[slot];
      if (!is_float(id) || !graph_.is_constant(id) || plan_.tensors.contains(id)) continue;
      const int at = static_cast<int>(slot);
      if (at == traits.weight_input || is_whole_weight(node, slot)) plan_weight(node, id, traits);
      else if (at == traits.bias_input) plan_bias(node, id, traits);
      else if (is_normalization_bias(node, slot)) plan_own_bias(id, node);
      plan_.requested_float.erase(id);
    }
  }

  bool reads_wide(const Node& node) const {
    const TensorPlan* input = plan_.find(node.inputs[0]);
    return input != nullptr && input->spec.bits > 8;
  }

  void plan_weight(const Node& node, ValueId id, const ops::QuantTraits& traits) {
    if (profile_.unquantized_weight_ops.contains(node.op_type)) return;
    const auto asked = hand_.weights.find(id);
    const auto given = options_.tensor_bits.find(id);
    static constexpr BlockRule kNoBlocks;
    const bool whole = !ops::whole_weights(node).empty();
    WeightRequest request{.node = node, .shape = graph_.type_of(id).shape, .name = graph_.value(id).name,
                          .wide_input = reads_wide(node), .blocks = whole ? kNoBlocks : options_.blocks};
    request.channel_axis = traits.weight_channel_axis ? traits.weight_channel_axis(node) : 0;
    if (asked != hand_.weights.end()) request.by_hand = asked->second.bits;
    if (given != options_.tensor_bits.end()) request.by_hand = given->second;
    TensorPlan plan{.role = TensorRole::kWeight, .spec = weight_spec(request, profile_, notes_), .leader = id,
                    .reason = format("weight of {}", node.op_type)};
    if (whole) plan.spec.channel_axis = -1;
    if (const auto fixed = options_.fixed.find(id); fixed != options_.fixed.end()) {
      // A file cannot tell one scale for the tensor from one for its only channel.
      const int planned = plan.spec.channel_axis;
      const bool only_channel = fixed->second.channel_axis < 0 && planned >= 0 && request.shape[static_cast<size_t>(planned)] == 1;
      plan.spec = {.bits = fixed->second.bits, .channel_axis = only_channel ? planned : fixed->second.channel_axis};
      plan.reason = "encodings file";
    }
    plan_.tensors[id] = std::move(plan);
  }

  void plan_bias(const Node& node, ValueId id, const ops::QuantTraits& traits) {
    const ValueId input = node.inputs[0];
    const ValueId weight = node.inputs[static_cast<size_t>(traits.weight_input)];
    const TensorPlan* weight_plan = plan_.find(weight);
    TensorPlan plan{.role = TensorRole::kBias, .leader = id, .reason = format("bias of {}", node.op_type)};
    // The backend takes an 8-bit bias beside 8-bit activations and per-tensor weights only.
    const bool narrow_fits = !reads_wide(node) && (weight_plan == nullptr || weight_plan->spec.channel_axis < 0);
    const int bits = profile_.bias_bits == 8 && !narrow_fits ? 32 : profile_.bias_bits;
    plan.spec = {.bits = bits, .min_range = profile_.minimum_range(bits)};
    if (bits > 16) {
      plan.spec.symmetry = quant::Symmetry::kSymmetric;
      if (plan_.find(input) != nullptr && weight_plan != nullptr) {
        plan.bias_of_input = input;
        plan.bias_of_weight = weight;
      }
    }
    plan_.tensors[id] = std::move(plan);
  }

  void plan_own_bias(ValueId id, const Node& node) {
    quant::QuantSpec spec{.bits = profile_.bias_bits, .min_range = profile_.minimum_range(profile_.bias_bits)};
    if (spec.bits > 16) spec.symmetry = quant::Symmetry::kSymmetric;
    plan_.tensors[id] = {.role = TensorRole::kBias, .spec = spec, .leader = id, .reason = format("bias of {}", node.op_type)};
  }

  const PlanOptions& options_;
  Graph& graph_;
  model::QuantPlan& plan_;
  const model::TargetProfile& profile_;
  const ops::Registry& registry_;
  HandPrecision hand_;
  PlanNotes notes_;
  std::vector<NodeId> order_;
  std::set<NodeId> fused_nodes_;
};

}  // namespace

PlanNotes plan_quantization(model::ModelState& state, const model::TargetProfile& profile, const ops::Registry& registry,
                            const PlanOptions& options) {
  return Planner(state, profile, registry, options).build();
}

}  // namespace qtool::passes
