// Walks the graph once and turns it into steps: chooses kernels and layouts, fuses activations, places views and
// concatenated parts without copies, then packs the arena.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "activation_patterns.h"
#include "banded_block.h"
#include "block_chain.h"
#include "code_layout.h"
#include "code_tables.h"
#include "concat_homes.h"
#include "fusion.h"
#include "movement_patterns.h"
#include "pack_arena.h"
#include "placements.h"
#include "plan.h"
#include "qtool/exec/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "reference_kernel.h"
#include "step_names.h"
#include "threads.h"

namespace qtool::exec {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

const Registry& kernel_registry() {
  static const Registry registry = [] {
    Registry table;
    register_builtin(table);
    return table;
  }();
  return registry;
}

class Planner {
 public:
  Planner(Plan& plan, const ExecOptions& options)
      : plan_(plan), graph_(plan.graph), options_(options), block_(preferred_block()), facts_(plan.graph, options),
        places_(plan, facts_, block_) {}

  void build() {
    quantize_constants();
    count_uses();
    if (!options_.reference_only) {
      places_.set_homes(find_concat_homes(graph_, block_, [this](ValueId part, ValueId joined) {
        if (options_.keep_values && facts_.altered(joined)) return false;
        if (facts_.code_encoding(joined) != nullptr) return false;  // likely to lie in codes, whose channels are interleaved
        return facts_.encoding(joined) == nullptr || facts_.same_grid(part, joined);
      }));
    }
    plan_inputs();
    for (const NodeId id : graph_.topological_order()) {
      if (!consumed_.contains(id)) plan_node(id);
    }
    plan_outputs();
    pack_arena(plan_);
  }

 private:
  // ---- preparation -------------------------------------------------------------------------------------------

  void quantize_constants() {
    if (options_.encodings == nullptr) return;
    for (const ValueId id : graph_.value_ids()) {
      ir::Value& value = graph_.value(id);
      const quant::Encoding* grid = facts_.encoding(id);
      if (value.constant && grid != nullptr && value.constant->dtype() == DType::kFloat32) {
        value.constant = quant::fake_quantize(*value.constant, *grid);
      }
    }
  }

  void count_uses() {
    remaining_uses_.resize(graph_.value_capacity(), 0);
    for (const ValueId id : graph_.value_ids()) {
      remaining_uses_[index(id)] = static_cast<int>(graph_.value(id).uses.size()) + (graph_.is_output(id) ? 1 : 0);
    }
  }

  static size_t index(ValueId id) { return static_cast<size_t>(id); }

  // ---- nodes -------------------------------------------------------------------------------------------------

  void plan_inputs() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId id = graph_.inputs[i];
      const ir::Value& value = graph_.value(id);
      PlanInput input{.type = graph_.type_of(id), .name = value.name};
      plan_.input_types.push_back(input.type);
      if (const quant::Encoding* grid = facts_.code_encoding(id)) {
        encode_input(id, i, *grid);
        input.buffer = places_.find(id)->buffer;
        plan_.inputs.push_back(std::move(input));
        continue;
      }
      input.copied = options_.keep_values || facts_.encoding(id) != nullptr;
      input.buffer = input.copied ? places_.new_arena_buffer(input.type, {})
                                  : places_.new_buffer({.kind = Buffer::Kind::kFeed, .bytes = 0, .feed = i});
      if (input.copied) plan_.buffers[input.buffer].first_step = 0;
      places_.set(id, {input.buffer, Layout{}});
      input.produced = make_produced(id, input.buffer, {});
      plan_.inputs.push_back(std::move(input));
    }
  }

  // Straight from the caller's tensor, which need not lie on the grid.
  void encode_input(ValueId id, size_t feed, const quant::Encoding& grid) {
    const TensorType& type = graph_.type_of(id);
    const Layout layout = preferred_codes(type.shape);
    const int source = places_.new_buffer({.kind = Buffer::Kind::kFeed, .bytes = 0, .feed = feed});
    const int codes = places_.new_arena_buffer(type, layout);
    Step step{.label = graph_.value(id).name, .op = "encode"};
    step.kernel = make_kernel([shape = type.shape, layout, grid = code_grid(grid)](const KernelArgs& args) {
      convert_codes(args.in[0], Layout{}, args.out[0], layout, shape, grid);
    });
    step.in = {source};
    step.out = {codes};
    step.produced.push_back(make_produced(id, codes, layout));
    plan_.steps.push_back(std::move(step));
    places_.set(id, {codes, layout});
  }

  Produced make_produced(ValueId id, int buffer, Layout layout) const {
    Produced produced{.value = id, .buffer = buffer, .layout = layout, .shape = graph_.type_of(id).shape};
    produced.tapped = facts_.observed(id) && graph_.type_of(id).dtype == DType::kFloat32;
    if (const quant::Encoding* grid = facts_.encoding(id); grid != nullptr && graph_.type_of(id).dtype == DType::kFloat32) {
      produced.quantize = !layout.codes();
      produced.scale = static_cast<float>(grid->grids[0].scale);
      produced.lowest = static_cast<float>(grid->lowest_level());
      produced.highest = static_cast<float>(grid->highest_level());
    }
    return produced;
  }

  void use_inputs(const Node& node) {
    for (const ValueId input : node.inputs) {
      if (input != kNoValue) --remaining_uses_[index(input)];
    }
  }

  void plan_node(NodeId id) {
    const Node& node = graph_.node(id);
    const bool is_static = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v == kNoValue || facts_.typed(v); }) &&
                           std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v == kNoValue || facts_.typed(v); });
    if (!is_static) return plan_dynamic(node);
    if (!options_.reference_only) {
      if (joins_by_overlay(node) || try_overlay(node) || try_channels_last(node)) return;
      if (facts_.integer() && (try_table(node) || try_codes(node))) return;
      if (try_banded_block(node) || try_silu(node) || try_fused_activation(node) || try_fast(node, node, {}, {&node})) return;
    }
    plan_reference(node);
  }

  // Sigmoid followed by x * sigmoid(x), unless the gate is to be altered before it is multiplied.
  bool try_silu(const Node& node) {
    if (node.op_type != "Sigmoid" || facts_.altered(node.outputs[0])) return false;
    const Node* mul = find_silu_product(graph_, node);
    if (mul == nullptr || consumed_.contains(mul->id)) return false;
    Node fused = node;
    fused.op_type = std::string(kSiluStep);
    fused.outputs = {mul->outputs[0], facts_.needed_elsewhere(node.outputs[0], *mul) ? node.outputs[0] : kNoValue};
    plan_.fused_nodes.push_back(fused);
    return try_fast(plan_.fused_nodes.back(), node, {}, {&node, mul});
  }

  // The head's Reshape and Transpose in one step, from a blocked tensor.
  bool try_channels_last(const Node& node) {
    const Node* transpose = find_grouped_transpose(graph_, node);
    if (transpose == nullptr || facts_.watched(node.outputs[0]) || places_.place_of(node.inputs[0]).layout != Layout{block_}) return false;
    Node fused = *transpose;
    fused.op_type = std::string(kChannelsLastStep);
    fused.inputs = {node.inputs[0]};
    std::vector<const Node*> members = {&node, transpose};
    const NodeId user = graph_.single_user(transpose->outputs[0]);
    // Simulated values keep the Sigmoid whose bits are the same everywhere.
    if (user != kNoNode && graph_.node(user).op_type == "Sigmoid" && !facts_.watched(transpose->outputs[0]) && options_.encodings == nullptr) {
      members.push_back(&graph_.node(user));
      fused.outputs = graph_.node(user).outputs;
      fused.attributes["sigmoid"] = int64_t{1};
    }
    plan_.fused_nodes.push_back(fused);
    return try_fast(plan_.fused_nodes.back(), *transpose, {}, members);
  }

  // A Slice that needs no step of its own because its Concat will be laid over what it cuts.
  bool joins_by_overlay(const Node& node) {
    if (node.op_type != "Slice" || options_.keep_values || facts_.watched(node.outputs[0])) return false;
    const NodeId user = graph_.single_user(node.outputs[0]);
    const auto overlay = user == kNoNode ? std::nullopt : find_overlay(graph_, graph_.node(user));
    if (!overlay || graph_.producer(graph_.node(user).inputs[overlay->part]) != node.id) return false;
    if (places_.place_of(overlay->whole).layout.codes()) return false;
    overlays_.emplace(user, *overlay);
    return true;
  }

  bool try_overlay(const Node& node) {
    const auto at = overlays_.find(node.id);
    if (at == overlays_.end()) return false;
    const auto [whole, part] = at->second;
    const Node& slice = graph_.node(graph_.producer(node.inputs[part]));
    Node fused = node;
    fused.op_type = std::string(kOverlayStep);
    fused.inputs.erase(fused.inputs.begin() + static_cast<std::ptrdiff_t>(part));
    fused.inputs.insert(fused.inputs.begin(), whole);
    fused.attributes["part"] = static_cast<int64_t>(part);
    plan_.fused_nodes.push_back(fused);
    const bool taken = try_fast(plan_.fused_nodes.back(), node, {}, {&slice, &node});
    QTOOL_CHECK(taken);
    return taken;
  }

  // A whole block of convolutions, whose wide maps then have no memory.
  bool try_banded_block(const Node& node) {
    if (options_.keep_values) return false;
    const auto chain = find_block_chain(graph_, facts_, node);
    if (!chain || !banded_block_pays(graph_, *chain)) return false;
    Node fused = node;
    fused.op_type = std::string(kBandedBlockStep);
    fused.inputs = {chain->source};
    fused.outputs = {chain->result};
    plan_.fused_nodes.push_back(fused);
    accept(plan_.fused_nodes.back(), banded_block(graph_, *chain), chain->members);
    return true;
  }

  bool try_fused_activation(const Node& node) {
    if (!is_product(node)) return false;
    const auto fusion = find_fusion(graph_, facts_, node);
    return fusion && try_fast(renamed(node, fusion->result), node, fusion->activation, fusion->members);
  }

  // The node with another output, at an address that stays.
  const Node& renamed(const Node& node, ValueId result) {
    plan_.fused_nodes.push_back(node);
    plan_.fused_nodes.back().outputs[0] = result;
    return plan_.fused_nodes.back();
  }

  // ---- integer simulation ------------------------------------------------------------------------------------

  bool try_table(const Node& node) {
    const ValueId source = table_source(graph_, node);
    if (source == kNoValue || facts_.code_encoding(source) == nullptr || !places_.place_of(source).layout.codes()) return false;
    const auto chain = find_coded_chain(graph_, facts_, consumed_, source, node);
    if (!chain) return false;
    const Layout layout = places_.place_of(source).layout;
    Node step = *chain->members.back();
    step.inputs = {source};
    plan_.fused_nodes.push_back(step);
    KernelChoice choice;
    choice.input_layouts = {layout};
    choice.output_layouts = {layout};
    choice.in_place_input = 0;
    choice.kernel = make_kernel([table = make_table(graph_, source, *chain, *options_.encodings),
                                 count = graph_.type_of(source).shape.element_count()](const KernelArgs& args) {
      simd::code_kernels().lookup(static_cast<const uint8_t*>(args.in[0]), static_cast<uint8_t*>(args.out[0]), count, table.data());
    });
    accept(plan_.fused_nodes.back(), std::move(choice), chain->members);
    ++plan_.summary.integer_steps;
    return true;
  }

  // A kernel on codes: with the activation that follows, and with the functions of its result that nobody else reads.
  bool try_codes(const Node& node) {
    const auto* factories = node.domain.empty() ? kernel_registry().find_codes(node.op_type) : nullptr;
    if (factories == nullptr) return false;
    static const std::set<std::string_view> kTakeActivation = {"Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Max", "Min"};
    const auto fusion = kTakeActivation.contains(node.op_type) ? find_fusion(graph_, facts_, node) : std::nullopt;
    if (fusion && try_codes_with_table(*factories, node, *fusion)) return true;
    return try_codes_with_table(*factories, node, {{}, {&node}, node.outputs[0]});
  }

  bool try_codes_with_table(const std::vector<KernelFactory>& factories, const Node& node, const Fusion& fusion) {
    const ValueId inner = fusion.result;
    const Node& alone = inner == node.outputs[0] ? node : renamed(node, inner);
    if (is_product(node) && facts_.code_encoding(inner) != nullptr && !facts_.visible(inner)) {
      if (const auto chain = find_only_chain(graph_, facts_, consumed_, inner)) {
        const CodeTable table = make_table(graph_, inner, *chain, *options_.encodings);
        KernelRequest request = make_request(renamed(node, chain->result), fusion.activation, true);
        request.inner_encoding = facts_.encoding(inner);
        request.output_table = &table;
        std::vector<const Node*> members = fusion.members;
        members.insert(members.end(), chain->members.begin(), chain->members.end());
        if (try_factories(factories, request, members)) return ++plan_.summary.integer_steps, true;
      }
    }
    if (!try_factories(factories, make_request(alone, fusion.activation, true), fusion.members)) return false;
    ++plan_.summary.integer_steps;
    return true;
  }

  // ---- kernels -----------------------------------------------------------------------------------------------

  // `request_node` is what the kernel sees; `members` are the graph nodes it replaces.
  bool try_fast(const Node& request_node, const Node& node, FusedActivation activation,
                const std::vector<const Node*>& members) {
    const auto* factories = kernel_registry().find(request_node.op_type);
    if (factories == nullptr || !node.domain.empty()) return false;
    return try_factories(*factories, make_request(request_node, activation, false), members);
  }

  // Kernels on floats are told of codes as the floats they will be turned into.
  Layout offered_layout(ValueId input, bool codes) {
    if (input == kNoValue) return {};
    const Layout layout = places_.place_of(input).layout;
    if (!layout.codes() || codes) return layout;
    const size_t rank = graph_.type_of(input).shape.rank();
    return layout.storage == Storage::kCodesChannelsLast && rank >= 3 && rank <= 5 ? Layout{block_} : Layout{};
  }

  KernelRequest make_request(const Node& node, FusedActivation activation, bool codes) {
    KernelRequest request{.graph = graph_, .node = node, .block = block_, .activation = activation};
    for (const ValueId input : node.inputs) {
      request.input_layouts.push_back(offered_layout(input, codes));
      request.input_encodings.push_back(facts_.encoding(input));
    }
    for (const ValueId output : node.outputs) request.output_encodings.push_back(facts_.encoding(output));
    if (node.op_type == "Concat") {
      const Placement* parent = places_.find(node.outputs[0]);
      if (parent != nullptr) request.required_output_layout = parent->layout;
    }
    return request;
  }

  bool try_factories(const std::vector<KernelFactory>& factories, const KernelRequest& request, const std::vector<const Node*>& members) {
    for (const KernelFactory& factory : factories) {
      std::optional<KernelChoice> choice = factory(request);
      if (!choice) continue;
      count_inexact(request.node, choice->exact_product);
      accept(request.node, std::move(*choice), members);
      return true;
    }
    return false;
  }

  void accept(const Node& step_node, KernelChoice choice, const std::vector<const Node*>& members) {
    for (const Node* member : members) {
      consumed_.insert(member->id);
      use_inputs(*member);
    }
    add_step(step_node, std::move(choice));
  }

  void count_inexact(const Node& node, bool exact) {
    const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
    if (exact || def == nullptr || def->traits.weight_input < 0) return;
    const auto weight = static_cast<size_t>(def->traits.weight_input);
    if (weight < node.inputs.size() && graph_.is_constant(node.inputs[weight]) && facts_.encoding(node.inputs[0]) != nullptr &&
        facts_.encoding(node.inputs[weight]) != nullptr) {
      ++plan_.summary.inexact_products;
    }
  }

  bool can_take_place(const KernelChoice& choice, const Node& node, const Step& step) const {
    if (choice.in_place_input < 0 || options_.keep_values) return false;
    const auto slot = static_cast<size_t>(choice.in_place_input);
    const int buffer = step.in[slot];
    if (buffer == kNoBuffer || remaining_uses_[index(node.inputs[slot])] > 0) return false;
    const int root = plan_.root_of(buffer);
    return plan_.buffers[root].kind == Buffer::Kind::kArena && plan_.buffers[root].sharers == 1 && root == buffer &&
           !places_.has_home(node.outputs[0]);
  }

  void add_step(const Node& node, KernelChoice choice) {
    Step step{.label = node.name, .op = node.op_type, .scratch_bytes = choice.scratch_bytes};
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const bool absorbed = slot < choice.input_absorbed.size() && choice.input_absorbed[slot];
      const Layout wanted = slot < choice.input_layouts.size() ? choice.input_layouts[slot] : Layout{};
      step.in.push_back(node.inputs[slot] == kNoValue || absorbed ? kNoBuffer : places_.in_layout(node.inputs[slot], wanted));
    }
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const ValueId id = node.outputs[slot];
      if (id == kNoValue) {
        step.out.push_back(kNoBuffer);
        continue;
      }
      const Layout layout = slot < choice.output_layouts.size() ? choice.output_layouts[slot] : Layout{};
      step.out.push_back(output_buffer(node, slot, layout, choice, step));
      places_.set(id, {step.out.back(), layout});
      step.produced.push_back(make_produced(id, step.out.back(), layout));
    }
    step.kernel = std::move(choice.kernel);
    plan_.steps.push_back(std::move(step));
  }

  int output_buffer(const Node& node, size_t slot, Layout layout, const KernelChoice& choice, Step& step) {
    const ValueId id = node.outputs[slot];
    if (slot < choice.output_views.size() && choice.output_views[slot]) {
      const auto& view = *choice.output_views[slot];
      const ValueId source = node.inputs[view.input];
      const TensorType& type = graph_.type_of(id);
      const size_t element = element_bytes(type, layout);
      const size_t bytes = static_cast<size_t>(physical_count(type.shape, layout)) * element;
      const int64_t offset = view.offset * static_cast<int64_t>(element);
      const bool altered_alone = options_.keep_values && facts_.altered(id);
      if (facts_.same_grid(source, id) && !altered_alone) return places_.new_view(step.in[view.input], offset, bytes);
      // Another grid: copied first, then quantized in place.
      const int own = places_.new_arena_buffer(type, layout);
      Step copy{.label = node.name, .op = "requantize"};
      copy.kernel = make_kernel([offset, bytes](const KernelArgs& args) {
        std::memcpy(args.out[0], static_cast<const std::byte*>(args.in[0]) + offset, bytes);
      });
      copy.in = {step.in[view.input]};
      copy.out = {own};
      plan_.steps.push_back(std::move(copy));
      return own;
    }
    if (slot == 0 && node.op_type == "Concat") {
      const Placement* parent = places_.find(id);
      if (parent != nullptr) return parent->buffer;
    }
    if (slot == 0 && can_take_place(choice, node, step)) {
      const size_t bytes = static_cast<size_t>(physical_count(graph_.type_of(id).shape, layout)) *
                           element_bytes(graph_.type_of(id), layout);
      if (bytes == plan_.buffers[step.in[static_cast<size_t>(choice.in_place_input)]].bytes) {
        return step.in[static_cast<size_t>(choice.in_place_input)];
      }
    }
    return places_.new_output_buffer(id, layout);
  }

  void plan_reference(const Node& node) {
    const ops::OpDef& def = ops::builtin_registry().at(node);
    KernelChoice choice;
    choice.input_layouts.assign(node.inputs.size(), Layout{});
    choice.output_layouts.assign(node.outputs.size(), Layout{});
    choice.kernel = make_reference_kernel(graph_, node, def);
    ++plan_.summary.reference_steps;
    plan_.summary.reference_nodes.push_back(node.text());
    use_inputs(node);
    count_inexact(node, false);
    add_step(node, std::move(choice));
  }

  void plan_dynamic(const Node& node) {
    Step step{.label = node.name, .op = node.op_type, .dynamic_op = &ops::builtin_registry().at(node), .node = &node};
    for (const ValueId input : node.inputs) {
      step.in.push_back(input != kNoValue && facts_.typed(input) ? places_.in_layout(input, {}) : kNoBuffer);
    }
    use_inputs(node);
    ++plan_.summary.reference_steps;
    plan_.summary.reference_nodes.push_back(node.text());
    plan_.steps.push_back(std::move(step));
  }

  void plan_outputs() {
    for (const ValueId id : graph_.outputs) {
      PlanOutput output{.value = id, .name = graph_.value(id).name};
      if (facts_.typed(id)) {
        const Placement place = places_.place_of(id);
        output.buffer = place.buffer;
        output.layout = place.layout;
        if (output.layout.codes()) output.grid = code_grid(*facts_.encoding(id));
        output.type = graph_.type_of(id);
      }
      plan_.outputs.push_back(std::move(output));
    }
  }

  Plan& plan_;
  Graph& graph_;
  const ExecOptions& options_;
  int64_t block_;
  ValueFacts facts_;
  Placements places_;
  std::set<NodeId> consumed_;
  std::vector<int> remaining_uses_;
  std::map<NodeId, Overlay> overlays_;  // by Concat
};

}  // namespace

Plan::Plan(const ir::Graph& source, const ExecOptions& options) : graph(source), intra_threads(options.intra_threads), keep_values(options.keep_values) {
  const ThreadScope threads(options.intra_threads);  // oneDNN captures the count when primitives are made
  Planner(*this, options).build();
}

}  // namespace qtool::exec
