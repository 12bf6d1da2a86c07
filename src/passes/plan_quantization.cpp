#include "qtool/passes/plan_quantization.h"

#include <fnmatch.h>

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

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
      : options_(options), graph_(state.graph), plan_(state.plan), profile_(profile), registry_(registry) {
    plan_ = {};
  }

  void build() {
    order_ = graph_.topological_order();
    find_float_nodes();
    for (const NodeId id : order_) mark_fused_group(graph_.node(id));
    if (profile_.quantize_inputs) {
      for (const ValueId input : graph_.inputs) {
        if (is_float(input)) add_activation(input, "model input");
      }
    }
    for (const NodeId id : order_) plan_outputs(graph_.node(id));
    for (const NodeId id : order_) plan_parameters(graph_.node(id));
    for (const NodeId id : order_) tie(graph_.node(id));
  }

 private:
  bool is_float(ValueId id) const {
    return id != kNoValue && graph_.value(id).type && graph_.value(id).type->dtype == DType::kFloat32;
  }

  quant::QuantSpec activation_spec() const {
    return {.bits = profile_.activation_bits,
            .symmetry = profile_.activation_symmetric ? quant::Symmetry::kSymmetric : quant::Symmetry::kAsymmetric,
            .min_range = profile_.min_range};
  }

  TensorPlan& add_activation(ValueId id, std::string reason) {
    return plan_.tensors[id] = {.role = TensorRole::kActivation, .spec = activation_spec(), .leader = id,
                                .reason = std::move(reason)};
  }

  bool matches(const Node& node, const std::string& pattern) const {
    const auto glob = [&](const std::string& text) { return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0; };
    return node.op_type == pattern || glob(node.name) || std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
             return id != kNoValue && glob(graph_.value(id).name);
           });
  }

  void find_float_nodes() {
    for (const std::string& pattern : options_.keep_float) {
      bool any = false;
      for (const NodeId id : order_) {
        if (!matches(graph_.node(id), pattern)) continue;
        float_nodes_.insert(id);
        any = true;
      }
      if (any) continue;
      std::vector<std::string> names;
      for (const NodeId id : order_) {
        names.push_back(graph_.node(id).name);
        names.push_back(graph_.node(id).op_type);
      }
      throw Error(ErrorCode::kUsage, format("--float '{}' matches no operator{}", pattern, did_you_mean(pattern, names)));
    }
  }

  // ---- activations -------------------------------------------------------------------------------------------

  void mark_fused_group(const Node& first) {
    const std::vector<std::string>* best = nullptr;
    std::vector<ValueId> best_inner;
    for (const auto& group : profile_.fused_groups) {
      if (group.empty() || float_nodes_.contains(first.id) || group[0] != first.op_type || (best != nullptr && best->size() >= group.size())) continue;
      std::vector<ValueId> inner;
      if (follows(first, group, inner)) {
        best = &group;
        best_inner = std::move(inner);
      }
    }
    for (const ValueId id : best_inner) plan_.left_float[id] = format("inside the fused group {}", join(*best, "+"));
  }

  bool follows(const Node& first, const std::vector<std::string>& group, std::vector<ValueId>& inner) const {
    const Node* at = &first;
    for (size_t i = 1; i < group.size(); ++i) {
      if (at->outputs.size() != 1) return false;
      const NodeId user = graph_.single_user(at->outputs[0]);
      if (user == kNoNode || graph_.node(user).op_type != group[i] || float_nodes_.contains(user) || graph_.node(user).inputs[0] != at->outputs[0]) {
        return false;
      }
      inner.push_back(at->outputs[0]);
      at = &graph_.node(user);
    }
    return true;
  }

  void plan_outputs(const Node& node) {
    const ops::OpDef& def = registry_.at(node);
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const ValueId id = node.outputs[slot];
      if (!is_float(id) || plan_.left_float.contains(id)) continue;
      if (float_nodes_.contains(node.id)) {
        plan_.left_float[id] = "kept float on request";
        continue;
      }
      if (profile_.unquantized_ops.contains(node.op_type) || def.traits.flow == ops::ValueFlow::kNotNumeric) {
        plan_.left_float[id] = format("outputs of {} are not quantized", node.op_type);
        continue;
      }
      const TensorPlan* source = node.inputs.empty() ? nullptr : plan_.find(node.inputs[0]);
      if (profile_.same_encoding_ops.contains(node.op_type) && source != nullptr) {
        TensorPlan& plan = add_activation(id, format("{} keeps the encoding of its input", node.op_type));
        plan.leader = source->leader;
        plan.spec = source->spec;
        continue;
      }
      TensorPlan& plan = add_activation(id, format("output of {}", node.op_type));
      if (const auto fixed = profile_.fixed_output_ranges.find(node.op_type); fixed != profile_.fixed_output_ranges.end()) {
        plan.fixed_range = fixed->second;
        plan.reason = format("prescribed range of {}", node.op_type);
      }
    }
  }

  // ---- parameters --------------------------------------------------------------------------------------------

  void plan_parameters(const Node& node) {
    if (float_nodes_.contains(node.id)) return;
    const ops::QuantTraits& traits = registry_.at(node).traits;
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const ValueId id = node.inputs[slot];
      if (!is_float(id) || !graph_.is_constant(id) || plan_.tensors.contains(id)) continue;
      const int at = static_cast<int>(slot);
      if (at == traits.weight_input) plan_weight(node, id, traits);
      else if (at == traits.bias_input) plan_bias(node, id, traits);
      else if (is_normalization_bias(node, slot)) plan_own_bias(id, node);
      else if (is_numeric_operand(node, slot)) add_activation(id, format("constant operand of {}", node.op_type));
    }
  }

  void plan_weight(const Node& node, ValueId id, const ops::QuantTraits& traits) {
    quant::QuantSpec spec{.bits = profile_.weight_bits,
                          .symmetry = profile_.weight_symmetric ? quant::Symmetry::kSymmetric : quant::Symmetry::kAsymmetric,
                          .min_range = profile_.min_range};
    const int64_t declared = traits.weight_channel_axis ? traits.weight_channel_axis(node) : 0;
    const size_t axis = graph_.type_of(id).shape.normalize_axis(declared);  // MatMul declares the last axis as -1
    // The output channels of a grouped transposed convolution are spread over groups: no axis holds them.
    const bool has_channel_axis = node.op_type != "ConvTranspose" || node.attr_int("group", 1) == 1;
    if (profile_.per_channel && profile_.per_channel_ops.contains(node.op_type) && has_channel_axis) {
      spec.channel_axis = static_cast<int>(axis);
    }
    plan_.tensors[id] = {.role = TensorRole::kWeight, .spec = spec, .leader = id, .reason = format("weight of {}", node.op_type)};
  }

  void plan_bias(const Node& node, ValueId id, const ops::QuantTraits& traits) {
    TensorPlan plan{.role = TensorRole::kBias, .leader = id, .reason = format("bias of {}", node.op_type)};
    plan.spec = {.bits = profile_.bias_bits, .min_range = profile_.min_range};
    const ValueId input = node.inputs[0];
    const ValueId weight = node.inputs[static_cast<size_t>(traits.weight_input)];
    if (profile_.bias_bits > 16) {
      plan.spec.symmetry = quant::Symmetry::kSymmetric;
      if (plan_.find(input) != nullptr && plan_.find(weight) != nullptr) {
        plan.bias_of_input = input;
        plan.bias_of_weight = weight;
      }
    }
    plan_.tensors[id] = std::move(plan);
  }

  void plan_own_bias(ValueId id, const Node& node) {
    quant::QuantSpec spec{.bits = profile_.bias_bits, .min_range = profile_.min_range};
    if (spec.bits > 16) spec.symmetry = quant::Symmetry::kSymmetric;
    plan_.tensors[id] = {.role = TensorRole::kBias, .spec = spec, .leader = id, .reason = format("bias of {}", node.op_type)};
  }

  // All inputs and the output of a tied operator take the output's encoding, unless that is prescribed elsewhere.
  void tie(const Node& node) {
    if (!profile_.tied_ops.contains(node.op_type) || node.outputs.empty() || plan_.find(node.outputs[0]) == nullptr) return;
    const ValueId leader = plan_.tensors.at(node.outputs[0]).leader;
    for (const ValueId input : node.inputs) {
      const TensorPlan* plan = input == kNoValue ? nullptr : plan_.find(input);
      if (plan == nullptr || plan->role != TensorRole::kActivation || plan->fixed_range) continue;
      const ValueId former = plan->leader;
      for (auto& [id, other] : plan_.tensors) {
        if (other.leader == former) other.leader = leader;
      }
    }
  }

  const PlanOptions& options_;
  Graph& graph_;
  model::QuantPlan& plan_;
  const model::TargetProfile& profile_;
  const ops::Registry& registry_;
  std::vector<NodeId> order_;
  std::set<NodeId> float_nodes_;
};

}  // namespace

void plan_quantization(model::ModelState& state, const model::TargetProfile& profile, const ops::Registry& registry,
                       const PlanOptions& options) {
  Planner(state, profile, registry, options).build();
}

}  // namespace qtool::passes
