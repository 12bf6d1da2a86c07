// Walks the graph once and turns it into steps: chooses kernels and layouts, fuses activations, places views and
// concatenated parts without copies, then packs the arena.
#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "activation_patterns.h"
#include "arena.h"
#include "code_layout.h"
#include "code_tables.h"
#include "concat_homes.h"
#include "integer_support.h"
#include "movement_patterns.h"
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

struct Placement {
  int buffer = kNoBuffer;
  Layout layout;
};

class Planner {
 public:
  Planner(Plan& plan, const ExecOptions& options)
      : plan_(plan), graph_(plan.graph), options_(options),
        observed_(options.observed.begin(), options.observed.end()), block_(preferred_block()),
        integer_(options.encodings != nullptr && !options.keep_values && !options.reference_only &&
                 options.integer_kernels == IntegerKernels::kAuto && integer_kernels_usable()) {}

  void build() {
    quantize_constants();
    count_uses();
    if (!options_.reference_only) {
      homes_ = find_concat_homes(graph_, block_, [this](ValueId part, ValueId joined) {
        if (options_.keep_values && altered(joined)) return false;
        if (code_encoding(joined) != nullptr) return false;  // likely to lie in codes, whose channels are interleaved
        return encoding(joined) == nullptr || same_grid(part, joined);
      });
    }
    plan_inputs();
    for (const NodeId id : graph_.topological_order()) {
      if (!consumed_.contains(id)) plan_node(id);
    }
    plan_outputs();
    pack();
  }

 private:
  // ---- preparation -------------------------------------------------------------------------------------------

  const quant::Encoding* encoding(ValueId id) const {
    if (options_.encodings == nullptr || id == kNoValue) return nullptr;
    return model::find_encoding(*options_.encodings, id);
  }

  // Grid of a value that may lie in memory as codes.
  const quant::Encoding* code_encoding(ValueId id) const {
    const quant::Encoding* grid = integer_ ? encoding(id) : nullptr;
    if (grid == nullptr || !fits_codes(*grid) || !typed(id) || graph_.is_constant(id)) return nullptr;
    const TensorType& type = graph_.type_of(id);
    return type.dtype == DType::kFloat32 && type.shape.element_count() > 0 ? grid : nullptr;
  }

  void quantize_constants() {
    if (options_.encodings == nullptr) return;
    for (const ValueId id : graph_.value_ids()) {
      ir::Value& value = graph_.value(id);
      const quant::Encoding* grid = encoding(id);
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

  bool typed(ValueId id) const { return graph_.value(id).type.has_value(); }
  bool watched(ValueId id) const { return observed_.contains(id) || encoding(id) != nullptr; }

  bool altered(ValueId id) const { return encoding(id) != nullptr || (options_.keep_values && observed_.contains(id)); }

  bool same_grid(ValueId a, ValueId b) const {
    const quant::Encoding* left = encoding(a);
    const quant::Encoding* right = encoding(b);
    if (left == nullptr || right == nullptr) return left == right;
    return left->grids.size() == 1 && right->grids.size() == 1 && left->grids[0].scale == right->grids[0].scale &&
           left->grids[0].offset == right->grids[0].offset && left->bits == right->bits;
  }

  // ---- buffers -----------------------------------------------------------------------------------------------

  int new_buffer(Buffer buffer) {
    plan_.buffers.push_back(std::move(buffer));
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  int new_arena_buffer(const TensorType& type, Layout layout) {
    const int64_t elements = physical_count(type.shape, layout);
    return new_buffer({.bytes = static_cast<size_t>(elements) * element_bytes(type, layout)});
  }

  static size_t element_bytes(const TensorType& type, Layout layout) {
    return layout.codes() ? 1 : dtype_size_bytes(type.dtype);
  }

  int root_of(int buffer) const { return plan_.buffers[buffer].root == kNoBuffer ? buffer : plan_.buffers[buffer].root; }

  int new_view(int of, int64_t byte_offset, size_t bytes) {
    const int root = root_of(of);
    const size_t base = plan_.buffers[of].root == kNoBuffer ? 0 : plan_.buffers[of].root_offset;
    ++plan_.buffers[root].sharers;
    return new_buffer({.bytes = bytes, .root = root, .root_offset = base + static_cast<size_t>(byte_offset)});
  }

  // Memory for a node output; a Concat part goes straight into the Concat's output where that is possible.
  int new_output_buffer(ValueId id, Layout layout) {
    const TensorType& type = graph_.type_of(id);
    const auto home = homes_.find(id);
    if (home != homes_.end() && !layout.codes() && (layout.plain() || (home->second.block_aligned && layout.block == block_))) {
      const ValueId joined = graph_.node(home->second.concat).outputs[0];
      auto parent = places_.find(joined);
      if (parent == places_.end()) {
        const int buffer = new_arena_buffer(graph_.type_of(joined), layout);
        parent = places_.emplace(joined, Placement{buffer, layout}).first;
      }
      if (parent->second.layout == layout) {
        const size_t bytes = static_cast<size_t>(physical_count(type.shape, layout)) * sizeof(float);
        return new_view(parent->second.buffer, home->second.element_offset * static_cast<int64_t>(sizeof(float)), bytes);
      }
    }
    return new_arena_buffer(type, layout);
  }

  Placement place_of(ValueId id) {
    const auto at = places_.find(id);
    if (at != places_.end()) return at->second;
    const Tensor* constant = graph_.constant(id);
    QTOOL_CHECK(constant != nullptr);
    const int buffer = new_buffer({.kind = Buffer::Kind::kConstant, .bytes = constant->size_bytes(), .constant = *constant});
    return places_[id] = {buffer, Layout{}};
  }

  int in_layout(ValueId id, Layout wanted) {
    const Placement place = place_of(id);
    if (place.layout == wanted) return place.buffer;
    const auto key = std::make_tuple(id, wanted.block, wanted.storage);
    if (const auto at = converted_.find(key); at != converted_.end()) return at->second;
    const TensorType& type = graph_.type_of(id);
    const int buffer = new_arena_buffer(type, wanted);
    Step step{.label = graph_.value(id).name, .op = "reorder"};
    if (place.layout.codes() || wanted.codes()) {
      step.kernel = make_kernel([shape = type.shape, from = place.layout, wanted, grid = code_grid(*encoding(id))](const KernelArgs& args) {
        convert_codes(args.in[0], from, args.out[0], wanted, shape, grid);
      });
    } else {
      step.kernel = make_float_reorder(type.shape, place.layout, wanted);
    }
    step.in = {place.buffer};
    step.out = {buffer};
    plan_.steps.push_back(std::move(step));
    return converted_[key] = buffer;
  }

  static std::unique_ptr<Kernel> make_float_reorder(const Shape& shape, Layout from, Layout wanted) {
    return make_kernel([shape, from, wanted](const KernelArgs& args) {
      const auto* source = static_cast<const float*>(args.in[0]);
      auto* target = static_cast<float*>(args.out[0]);
      if (wanted.plain()) {
        copy_to_plain({source, shape, from}, target);
      } else {
        QTOOL_CHECK(from.plain());
        copy_from_plain(source, shape, wanted, target);
      }
    });
  }

  // ---- nodes -------------------------------------------------------------------------------------------------

  void plan_inputs() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId id = graph_.inputs[i];
      const ir::Value& value = graph_.value(id);
      PlanInput input{.type = graph_.type_of(id), .name = value.name};
      plan_.input_types.push_back(input.type);
      if (const quant::Encoding* grid = code_encoding(id)) {
        encode_input(id, i, *grid);
        input.buffer = places_.at(id).buffer;
        plan_.inputs.push_back(std::move(input));
        continue;
      }
      input.copied = options_.keep_values || encoding(id) != nullptr;
      input.buffer = input.copied ? new_arena_buffer(input.type, {})
                                  : new_buffer({.kind = Buffer::Kind::kFeed, .bytes = 0, .feed = i});
      if (input.copied) plan_.buffers[input.buffer].first_step = 0;
      places_[id] = {input.buffer, Layout{}};
      input.produced = make_produced(id, input.buffer, {});
      plan_.inputs.push_back(std::move(input));
    }
  }

  // Straight from the caller's tensor, which need not lie on the grid.
  void encode_input(ValueId id, size_t feed, const quant::Encoding& grid) {
    const TensorType& type = graph_.type_of(id);
    const Layout layout = preferred_codes(type.shape);
    const int source = new_buffer({.kind = Buffer::Kind::kFeed, .bytes = 0, .feed = feed});
    const int codes = new_arena_buffer(type, layout);
    Step step{.label = graph_.value(id).name, .op = "encode"};
    step.kernel = make_kernel([shape = type.shape, layout, grid = code_grid(grid)](const KernelArgs& args) {
      convert_codes(args.in[0], Layout{}, args.out[0], layout, shape, grid);
    });
    step.in = {source};
    step.out = {codes};
    step.produced.push_back(make_produced(id, codes, layout));
    plan_.steps.push_back(std::move(step));
    places_[id] = {codes, layout};
  }

  Produced make_produced(ValueId id, int buffer, Layout layout) const {
    Produced produced{.value = id, .buffer = buffer, .layout = layout, .shape = graph_.type_of(id).shape};
    produced.tapped = observed_.contains(id) && graph_.type_of(id).dtype == DType::kFloat32;
    if (const quant::Encoding* grid = encoding(id); grid != nullptr && graph_.type_of(id).dtype == DType::kFloat32) {
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
    const bool is_static = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v == kNoValue || typed(v); }) &&
                           std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v == kNoValue || typed(v); });
    if (!is_static) return plan_dynamic(node);
    if (!options_.reference_only) {
      if (joins_by_overlay(node) || try_overlay(node) || try_channels_last(node)) return;
      if (integer_ && (try_table(node) || try_codes(node))) return;
      if (try_silu(node) || try_fused_activation(node) || try_fast(node, node, {}, {&node})) return;
    }
    plan_reference(node);
  }

  // Sigmoid followed by x * sigmoid(x), unless the gate is to be altered before it is multiplied.
  bool try_silu(const Node& node) {
    if (node.op_type != "Sigmoid" || altered(node.outputs[0])) return false;
    const Node* mul = find_silu_product(graph_, node);
    if (mul == nullptr || consumed_.contains(mul->id)) return false;
    Node fused = node;
    fused.op_type = std::string(kSiluStep);
    fused.outputs = {mul->outputs[0], needed_elsewhere(node.outputs[0], *mul) ? node.outputs[0] : kNoValue};
    plan_.fused_nodes.push_back(fused);
    return try_fast(plan_.fused_nodes.back(), node, {}, {&node, mul});
  }

  // The head's Reshape and Transpose in one step, from a blocked tensor.
  bool try_channels_last(const Node& node) {
    const Node* transpose = find_grouped_transpose(graph_, node);
    if (transpose == nullptr || watched(node.outputs[0]) || place_of(node.inputs[0]).layout != Layout{block_}) return false;
    Node fused = *transpose;
    fused.op_type = std::string(kChannelsLastStep);
    fused.inputs = {node.inputs[0]};
    std::vector<const Node*> members = {&node, transpose};
    const NodeId user = graph_.single_user(transpose->outputs[0]);
    // Simulated values keep the Sigmoid whose bits are the same everywhere.
    if (user != kNoNode && graph_.node(user).op_type == "Sigmoid" && !watched(transpose->outputs[0]) && options_.encodings == nullptr) {
      members.push_back(&graph_.node(user));
      fused.outputs = graph_.node(user).outputs;
      fused.attributes["sigmoid"] = int64_t{1};
    }
    plan_.fused_nodes.push_back(fused);
    return try_fast(plan_.fused_nodes.back(), *transpose, {}, members);
  }

  // A Slice that needs no step of its own because its Concat will be laid over what it cuts.
  bool joins_by_overlay(const Node& node) {
    if (node.op_type != "Slice" || options_.keep_values || watched(node.outputs[0])) return false;
    const NodeId user = graph_.single_user(node.outputs[0]);
    const auto overlay = user == kNoNode ? std::nullopt : find_overlay(graph_, graph_.node(user));
    if (!overlay || graph_.producer(graph_.node(user).inputs[overlay->part]) != node.id) return false;
    if (place_of(overlay->whole).layout.codes()) return false;
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

  bool needed_elsewhere(ValueId id, const Node& reader) const {
    const auto& uses = graph_.value(id).uses;
    return watched(id) || graph_.is_output(id) ||
           std::any_of(uses.begin(), uses.end(), [&](NodeId user) { return user != reader.id; });
  }

  bool try_fused_activation(const Node& node) {
    if (!is_product(node)) return false;
    const auto fusion = find_fusion(node);
    return fusion && try_fast(renamed(node, fusion->result), node, fusion->activation, fusion->members);
  }

  static bool is_product(const Node& node) {
    return node.op_type == "Conv" || node.op_type == "Gemm" || node.op_type == "MatMul";
  }

  struct Fusion {
    FusedActivation activation;
    std::vector<const Node*> members;
    ValueId result = kNoValue;
  };

  // An activation that is the only reader of the node's output, which nothing else wants to see.
  std::optional<Fusion> find_fusion(const Node& node) const {
    const ValueId inner = node.outputs[0];
    if (watched(inner) || graph_.is_output(inner)) return std::nullopt;
    const auto& uses = graph_.value(inner).uses;
    if (uses.size() == 1) {
      const Node& next = graph_.node(uses[0]);
      if (next.op_type == "Relu") return Fusion{{.kind = FusedActivation::Kind::kRelu}, {&node, &next}, next.outputs[0]};
      if (const auto clip = constant_clip(graph_, next)) return Fusion{*clip, {&node, &next}, next.outputs[0]};
    } else if (uses.size() == 2) {
      const Node& first = graph_.node(uses[0]).op_type == "Sigmoid" ? graph_.node(uses[0]) : graph_.node(uses[1]);
      const Node* mul = first.op_type == "Sigmoid" ? find_silu_product(graph_, first) : nullptr;
      if (mul == nullptr || needed_elsewhere(first.outputs[0], *mul)) return std::nullopt;
      return Fusion{{.kind = FusedActivation::Kind::kSilu}, {&node, &first, mul}, mul->outputs[0]};
    }
    return std::nullopt;
  }

  // The node with another output, at an address that stays.
  const Node& renamed(const Node& node, ValueId result) {
    plan_.fused_nodes.push_back(node);
    plan_.fused_nodes.back().outputs[0] = result;
    return plan_.fused_nodes.back();
  }

  // ---- integer simulation ------------------------------------------------------------------------------------

  bool visible(ValueId id) const { return observed_.contains(id) || graph_.is_output(id); }

  // Element-wise operators of one value that end on a grid, however many values without a reader of their own between.
  std::optional<TableChain> table_chain(ValueId source, const Node& first) const {
    if (code_encoding(source) == nullptr) return std::nullopt;
    auto chain = find_table_chain(graph_, source, first, [this](ValueId gate, const Node& product) {
      const auto& uses = graph_.value(gate).uses;
      return visible(gate) || consumed_.contains(product.id) || (encoding(gate) != nullptr && code_encoding(gate) == nullptr) ||
             std::any_of(uses.begin(), uses.end(), [&](NodeId user) { return user != product.id; });
    });
    while (chain && encoding(chain->result) == nullptr && !visible(chain->result)) {
      const NodeId user = graph_.single_user(chain->result);
      if (user == kNoNode || table_source(graph_, graph_.node(user)) != chain->result) return std::nullopt;
      chain->members.push_back(&graph_.node(user));
      chain->result = graph_.node(user).outputs[0];
    }
    return chain && code_encoding(chain->result) != nullptr ? chain : std::nullopt;
  }

  bool try_table(const Node& node) {
    const ValueId source = table_source(graph_, node);
    if (source == kNoValue || code_encoding(source) == nullptr || !place_of(source).layout.codes()) return false;
    const auto chain = table_chain(source, node);
    if (!chain) return false;
    const Layout layout = place_of(source).layout;
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
    const auto fusion = kTakeActivation.contains(node.op_type) ? find_fusion(node) : std::nullopt;
    if (fusion && try_codes_with_table(*factories, node, *fusion)) return true;
    return try_codes_with_table(*factories, node, {{}, {&node}, node.outputs[0]});
  }

  bool try_codes_with_table(const std::vector<KernelFactory>& factories, const Node& node, const Fusion& fusion) {
    const ValueId inner = fusion.result;
    const Node& alone = inner == node.outputs[0] ? node : renamed(node, inner);
    if (is_product(node) && code_encoding(inner) != nullptr && !visible(inner)) {
      if (const auto chain = only_chain(inner)) {
        const CodeTable table = make_table(graph_, inner, *chain, *options_.encodings);
        KernelRequest request = make_request(renamed(node, chain->result), fusion.activation, true);
        request.inner_encoding = encoding(inner);
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

  // The chain that all readers of a value belong to.
  std::optional<TableChain> only_chain(ValueId source) const {
    const auto& uses = graph_.value(source).uses;
    for (const NodeId user : uses) {
      const Node& first = graph_.node(user);
      if (table_source(graph_, first) != source) continue;
      const auto chain = table_chain(source, first);
      if (!chain) continue;
      const bool all = std::all_of(uses.begin(), uses.end(), [&](NodeId other) {
        return std::any_of(chain->members.begin(), chain->members.end(), [&](const Node* member) { return member->id == other; });
      });
      if (all) return chain;
    }
    return std::nullopt;
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
    const Layout layout = place_of(input).layout;
    if (!layout.codes() || codes) return layout;
    const size_t rank = graph_.type_of(input).shape.rank();
    return layout.storage == Storage::kCodesChannelsLast && rank >= 3 && rank <= 5 ? Layout{block_} : Layout{};
  }

  KernelRequest make_request(const Node& node, FusedActivation activation, bool codes) {
    KernelRequest request{.graph = graph_, .node = node, .block = block_, .activation = activation};
    for (const ValueId input : node.inputs) {
      request.input_layouts.push_back(offered_layout(input, codes));
      request.input_encodings.push_back(encoding(input));
    }
    for (const ValueId output : node.outputs) request.output_encodings.push_back(encoding(output));
    if (node.op_type == "Concat") {
      const auto parent = places_.find(node.outputs[0]);
      if (parent != places_.end()) request.required_output_layout = parent->second.layout;
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
    if (weight < node.inputs.size() && graph_.is_constant(node.inputs[weight]) && encoding(node.inputs[0]) != nullptr &&
        encoding(node.inputs[weight]) != nullptr) {
      ++plan_.summary.inexact_products;
    }
  }

  bool can_take_place(const KernelChoice& choice, const Node& node, const Step& step) const {
    if (choice.in_place_input < 0 || options_.keep_values) return false;
    const auto slot = static_cast<size_t>(choice.in_place_input);
    const int buffer = step.in[slot];
    if (buffer == kNoBuffer || remaining_uses_[index(node.inputs[slot])] > 0) return false;
    const int root = root_of(buffer);
    return plan_.buffers[root].kind == Buffer::Kind::kArena && plan_.buffers[root].sharers == 1 && root == buffer &&
           !homes_.contains(node.outputs[0]);
  }

  void add_step(const Node& node, KernelChoice choice) {
    Step step{.label = node.name, .op = node.op_type, .scratch_bytes = choice.scratch_bytes};
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const bool absorbed = slot < choice.input_absorbed.size() && choice.input_absorbed[slot];
      const Layout wanted = slot < choice.input_layouts.size() ? choice.input_layouts[slot] : Layout{};
      step.in.push_back(node.inputs[slot] == kNoValue || absorbed ? kNoBuffer : in_layout(node.inputs[slot], wanted));
    }
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const ValueId id = node.outputs[slot];
      if (id == kNoValue) {
        step.out.push_back(kNoBuffer);
        continue;
      }
      const Layout layout = slot < choice.output_layouts.size() ? choice.output_layouts[slot] : Layout{};
      step.out.push_back(output_buffer(node, slot, layout, choice, step));
      places_[id] = {step.out.back(), layout};
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
      const bool altered_alone = options_.keep_values && altered(id);
      if (same_grid(source, id) && !altered_alone) return new_view(step.in[view.input], offset, bytes);
      // Another grid: copied first, then quantized in place.
      const int own = new_arena_buffer(type, layout);
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
      const auto parent = places_.find(id);
      if (parent != places_.end()) return parent->second.buffer;
    }
    if (slot == 0 && can_take_place(choice, node, step)) {
      const size_t bytes = static_cast<size_t>(physical_count(graph_.type_of(id).shape, layout)) *
                           element_bytes(graph_.type_of(id), layout);
      if (bytes == plan_.buffers[step.in[static_cast<size_t>(choice.in_place_input)]].bytes) {
        return step.in[static_cast<size_t>(choice.in_place_input)];
      }
    }
    return new_output_buffer(id, layout);
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
      step.in.push_back(input != kNoValue && typed(input) ? in_layout(input, {}) : kNoBuffer);
    }
    use_inputs(node);
    ++plan_.summary.reference_steps;
    plan_.summary.reference_nodes.push_back(node.text());
    plan_.steps.push_back(std::move(step));
  }

  void plan_outputs() {
    for (const ValueId id : graph_.outputs) {
      PlanOutput output{.value = id, .name = graph_.value(id).name};
      if (typed(id)) {
        const Placement place = place_of(id);
        output.buffer = place.buffer;
        output.layout = place.layout;
        if (output.layout.codes()) output.grid = code_grid(*encoding(id));
        output.type = graph_.type_of(id);
      }
      plan_.outputs.push_back(std::move(output));
    }
  }

  // ---- memory ------------------------------------------------------------------------------------------------

  void touch(int buffer, int step) {
    if (buffer == kNoBuffer) return;
    Buffer& root = plan_.buffers[root_of(buffer)];
    root.first_step = root.first_step < 0 ? step : std::min(root.first_step, step);
    root.last_step = std::max(root.last_step, step);
  }

  void pack() {
    const int end = static_cast<int>(plan_.steps.size());
    for (int i = 0; i < end; ++i) {
      for (const int buffer : plan_.steps[i].in) touch(buffer, i);
      for (const int buffer : plan_.steps[i].out) touch(buffer, i);
      plan_.scratch_bytes = std::max(plan_.scratch_bytes, plan_.steps[i].scratch_bytes);
    }
    for (const PlanInput& input : plan_.inputs) {
      if (input.copied) touch(input.buffer, 0);
    }
    for (const PlanOutput& output : plan_.outputs) touch(output.buffer, end);

    std::vector<Interval> intervals;
    std::vector<int> owners;
    for (int i = 0; i < static_cast<int>(plan_.buffers.size()); ++i) {
      const Buffer& buffer = plan_.buffers[i];
      if (buffer.kind != Buffer::Kind::kArena || buffer.root != kNoBuffer || buffer.first_step < 0) continue;
      intervals.push_back(options_.keep_values ? Interval{buffer.bytes, 0, end} : Interval{buffer.bytes, buffer.first_step, buffer.last_step});
      owners.push_back(i);
    }
    plan_.arena_bytes = pack_intervals(intervals);
    for (size_t i = 0; i < owners.size(); ++i) plan_.buffers[owners[i]].arena_offset = intervals[i].offset;
    plan_.summary.arena_bytes = plan_.arena_bytes;
    plan_.summary.steps = plan_.steps.size();
  }

  Plan& plan_;
  Graph& graph_;
  const ExecOptions& options_;
  std::set<ValueId> observed_;
  int64_t block_;
  bool integer_;  // values may lie in codes
  std::set<NodeId> consumed_;
  std::vector<int> remaining_uses_;
  ConcatHomes homes_;
  std::map<NodeId, Overlay> overlays_;  // by Concat
  std::map<ValueId, Placement> places_;
  std::map<std::tuple<ValueId, int64_t, Storage>, int> converted_;
};

}  // namespace

const quant::Encoding* KernelRequest::input_code_grid(size_t i) const {
  const quant::Encoding* grid = has_input(i) ? input_encodings[i] : nullptr;
  return grid != nullptr && fits_codes(*grid) && input_type(i).dtype == DType::kFloat32 ? grid : nullptr;
}

const quant::Encoding* KernelRequest::output_code_grid(size_t i) const {
  const quant::Encoding* grid = i < output_encodings.size() ? output_encodings[i] : nullptr;
  return grid != nullptr && fits_codes(*grid) && output_type(i).dtype == DType::kFloat32 ? grid : nullptr;
}

bool KernelRequest::all_float() const {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (has_input(i) && input_type(i).dtype != DType::kFloat32) return false;
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue && output_type(i).dtype != DType::kFloat32) return false;
  }
  return true;
}

Plan::Plan(const ir::Graph& source, const ExecOptions& options) : graph(source), intra_threads(options.intra_threads), keep_values(options.keep_values) {
  const ThreadScope threads(options.intra_threads);  // oneDNN captures the count when primitives are made
  Planner(*this, options).build();
}

}  // namespace qtool::exec
