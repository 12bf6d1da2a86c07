// The rules of `qtool encodings check`.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "qtool/exporters/encodings_json.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/encodings_tool.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

using ir::Node;
using ir::ValueId;
using Severity = Finding::Severity;

constexpr double kSmallestRequantRatio = 0x1p-24;  // below it the accelerator's multiplier becomes zero

class Checker {
 public:
  Checker(const exporters::EncodingsDocument& document, const LoadedModel& model, const model::TargetProfile& profile, CheckEncodingsSummary& summary)
      : document_(document), model_(model), graph_(model.state.graph), profile_(profile), summary_(summary) {}

  void run() {
    for (const exporters::DocumentEntry& entry : document_.entries) check_entry(entry);
    for (const ir::NodeId id : graph_.topological_order()) {
      check_shared(graph_.node(id));
      check_layer(graph_.node(id));
      check_second_input(graph_.node(id));
    }
    check_coverage();
  }

 private:
  void add(Severity severity, std::string rule, const std::string& tensor, std::string text) {
    summary_.findings.push_back({severity, std::move(rule), tensor, std::move(text)});
  }
  const std::string& name(ValueId id) const { return graph_.value(id).name; }
  const quant::Encoding* grid(ValueId id) const {
    const auto at = grids_.find(id);
    return at == grids_.end() ? nullptr : &at->second->encoding;
  }

  void check_entry(const exporters::DocumentEntry& entry) {
    const ValueId id = graph_.find_value(entry.name);
    if (id == ir::kNoValue) return check_name(entry.name);
    ++summary_.applied;
    if (entry.kind != exporters::DocumentEntry::Kind::kGrid) {
      covered_.insert(id);
      return;
    }
    grids_[id] = &entry;
    covered_.insert(id);
    check_fit(entry, id);
    check_grids(entry, id);
  }

  void check_name(const std::string& wrong) {
    if (model_.original_tensors.contains(wrong)) {
      return add(Severity::kNote, "folded-name", wrong, "the tensor is folded away when the model is prepared; the entry is not used");
    }
    std::vector<std::string> names;
    for (const ValueId id : graph_.value_ids()) names.push_back(name(id));
    add(Severity::kError, "unknown-name", wrong, format("the model has no tensor of this name{}", did_you_mean(wrong, names)));
  }

  void check_fit(const exporters::DocumentEntry& entry, ValueId id) {
    exporters::EncodingsDocument alone{.entries = {entry}};
    try {
      exporters::settle_document(alone, graph_, ops::builtin_registry(), "");
    } catch (const Error& error) {
      add(Severity::kError, "wrong-count", entry.name, error.message());
      grids_.erase(id);
    }
  }

  void check_grids(const exporters::DocumentEntry& entry, ValueId id) {
    const quant::Encoding& encoding = entry.encoding;
    if (!graph_.is_constant(id) && encoding.grids.size() > 1) {
      add(Severity::kError, "per-channel-activation", entry.name, "an activation has one scale for the tensor on this backend");
    }
    if (encoding.per_channel() && (!encoding.is_symmetric || encoding.is_strict)) {
      add(Severity::kWarning, "per-channel-offset", entry.name, "per-channel grids must be symmetric with offset -2^(bits-1) to be taken as overrides");
    }
    double narrowest = encoding.max(0) - encoding.min(0);
    for (size_t i = 1; i < encoding.grids.size(); ++i) narrowest = std::min(narrowest, encoding.max(i) - encoding.min(i));
    if (encoding.grids.size() == 1 && narrowest < profile_.minimum_range(encoding.bits)) {
      add(Severity::kWarning, "degenerate-range", entry.name, format("the range {:.3g} is below {}; the backend may widen it", narrowest, profile_.minimum_range(encoding.bits)));
    }
  }

  static bool same(const quant::Encoding& a, const quant::Encoding& b) {
    return a.bits == b.bits && std::ranges::equal(a.grids, b.grids, [](const quant::Grid& x, const quant::Grid& y) {
             return x.offset == y.offset && std::abs(x.scale - y.scale) <= 1e-6 * y.scale;
           });
  }

  void check_shared(const Node& node) {
    if (node.inputs.empty() || node.outputs.empty() || node.inputs[0] == ir::kNoValue || node.outputs[0] == ir::kNoValue) return;
    const quant::Encoding *from = grid(node.inputs[0]), *to = grid(node.outputs[0]);
    if (profile_.same_encoding_ops.contains(node.op_type) && from != nullptr && to != nullptr && !same(*from, *to)) {
      add(Severity::kWarning, "shared-encoding", name(node.outputs[0]),
          format("{} hands codes through, but its output has another encoding than its input '{}'", node.text(), name(node.inputs[0])));
    }
    if (node.op_type == "Concat" && to != nullptr) check_concat(node, *to);
  }

  void check_concat(const Node& node, const quant::Encoding& to) {
    for (const ValueId input : node.inputs) {
      const quant::Encoding* from = input == ir::kNoValue ? nullptr : grid(input);
      if (from == nullptr || from->grids.size() != 1 || to.grids.size() != 1) continue;
      if (std::max(std::abs(from->min()), std::abs(from->max())) < to.grids[0].scale / 2) {
        add(Severity::kWarning, "concat-dead", name(node.outputs[0]),
            format("'{}' spans [{:.4g}, {:.4g}], less than half a step ({:.4g}) of the joined tensor: all its values become zero", name(input),
                   from->min(), from->max(), to.grids[0].scale));
      }
    }
  }

  void check_second_input(const Node& node) {
    const auto limits = profile_.op_limits.find(node.op_type);
    if (limits == profile_.op_limits.end() || !limits->second.symmetric_second_at_16 || node.inputs.size() < 2 || graph_.is_constant(node.inputs[1])) return;
    const quant::Encoding *first = grid(node.inputs[0]), *second = grid(node.inputs[1]);
    if (first == nullptr || second == nullptr || second->bits <= 8) return;
    if (!second->is_symmetric || first->bits <= 8) {
      add(Severity::kWarning, "second-input", name(node.inputs[1]),
          format("profile '{}' takes a second input of {} bits for {} only symmetric and beside a first one as wide; this is {}, beside {} bits", profile_.name,
                 second->bits, node.op_type, second->is_symmetric ? "symmetric" : "asymmetric", first->bits));
    }
  }

  void check_layer(const Node& node) {
    const ops::QuantTraits& traits = ops::builtin_registry().at(node).traits;
    if (traits.weight_input < 0 || static_cast<size_t>(traits.weight_input) >= node.inputs.size()) return;
    const ValueId weight_id = node.inputs[static_cast<size_t>(traits.weight_input)];
    const quant::Encoding *input = grid(node.inputs[0]), *weight = grid(weight_id);
    if (weight == nullptr || !graph_.is_constant(weight_id)) return;
    check_widths(node, *weight, name(weight_id));
    if (input == nullptr || input->grids.size() != 1 || weight->per_block()) return;
    const quant::Encoding* output = output_of(node);
    if (output != nullptr) check_requantization(node, *input, *weight, *output);
    const auto bias = static_cast<size_t>(traits.bias_input);
    if (traits.bias_input >= 0 && bias < node.inputs.size() && graph_.is_constant(node.inputs[bias])) check_bias(node.inputs[bias], *input, *weight);
  }

  // That of the layer, or of the activation fused behind it.
  const quant::Encoding* output_of(const Node& node) const {
    if (const quant::Encoding* own = grid(node.outputs[0])) return own;
    const ir::NodeId next = graph_.single_user(node.outputs[0]);
    return next == ir::kNoNode || graph_.node(next).outputs.empty() ? nullptr : grid(graph_.node(next).outputs[0]);
  }

  void check_widths(const Node& node, const quant::Encoding& weight, const std::string& tensor) {
    const auto at = profile_.op_limits.find(node.op_type);
    if (at == profile_.op_limits.end()) return;
    const quant::Encoding* input = grid(node.inputs[0]);
    const bool wide = input != nullptr && input->bits > 8 && !at->second.weight_bits_at_16.empty();
    const std::vector<int>& widths = wide ? at->second.weight_bits_at_16 : at->second.weight_bits;
    if (!widths.empty() && std::ranges::find(widths, weight.bits) == widths.end()) {
      add(Severity::kWarning, "width", tensor, format("profile '{}' has no {}-bit weights for {} beside {}-bit activations", profile_.name, weight.bits,
                                                      node.op_type, input != nullptr ? input->bits : profile_.activation_bits));
    }
    if (at->second.weight_symmetric.value_or(false) && !weight.is_symmetric) add(Severity::kWarning, "symmetry", tensor, "the backend wants this weight symmetric");
  }

  void check_requantization(const Node& node, const quant::Encoding& input, const quant::Encoding& weight, const quant::Encoding& output) {
    if (output.grids.size() != 1) return;
    double least = weight.grids[0].scale;
    for (const quant::Grid& grid : weight.grids) least = std::min(least, grid.scale);
    const double ratio = input.grids[0].scale * least / output.grids[0].scale;
    if (ratio < kSmallestRequantRatio) {
      add(Severity::kWarning, "requantization", name(node.outputs[0]), format("input scale x weight scale / output scale is {:.3g}, below 2^-24", ratio));
    }
  }

  void check_bias(ValueId id, const quant::Encoding& input, const quant::Encoding& weight) {
    const auto values = graph_.constant(id)->to_float();
    size_t overflows = 0;
    for (size_t c = 0; c < values.size(); ++c) {
      const double scale = weight.grids[weight.per_channel() ? std::min(c, weight.grids.size() - 1) : 0].scale;
      if (std::abs(static_cast<double>(values[c])) > 2147483647.0 * input.grids[0].scale * scale) ++overflows;
    }
    if (overflows > 0) {
      add(Severity::kError, "bias-overflow", name(id), format("{} of {} values do not fit int32 at input scale x weight scale", overflows, values.size()));
    }
    const quant::Encoding* given = grid(id);
    if (given == nullptr || given->bits != 32) return;
    const quant::Encoding derived = quant::bias_encoding(input.grids[0].scale, weight, static_cast<int64_t>(values.size()));
    if (!same(*given, derived)) {
      add(Severity::kWarning, "bias-scale", name(id), "an int32 bias whose scale is not input scale x weight scale is ignored by the backend");
    }
  }

  // Tensors that the profile gives an encoding and the file does not.
  void check_coverage() {
    model::ModelState planned{.graph = graph_};
    passes::plan_quantization(planned, profile_, ops::builtin_registry());
    for (const auto& [id, plan] : planned.plan.tensors) {
      if (plan.role == model::TensorRole::kBias) continue;
      ++summary_.planned;
      if (covered_.contains(id) || covered_.contains(plan.leader)) continue;
      ++summary_.missing;
      add(Severity::kNote, "missing", name(id), format("no entry; profile '{}' has one ({})", profile_.name, plan.reason));
    }
  }

  const exporters::EncodingsDocument& document_;
  const LoadedModel& model_;
  const ir::Graph& graph_;
  const model::TargetProfile& profile_;
  CheckEncodingsSummary& summary_;
  std::map<ValueId, const exporters::DocumentEntry*> grids_;
  std::set<ValueId> covered_;
};

}  // namespace

size_t CheckEncodingsSummary::count(Severity severity) const {
  return static_cast<size_t>(std::ranges::count(findings, severity, &Finding::severity));
}

CheckEncodingsSummary check_encodings(const CheckEncodingsConfig& config, Reporter& reporter) {
  const model::TargetProfile profile = load_profile(config.profile);
  const std::string file = config.input.filename().string();
  const exporters::EncodingsDocument document = exporters::parse_encodings(read_text_file(config.input), file);
  const LoadedModel model = load_model(with_encodings(config.model, config.input), reporter);
  CheckEncodingsSummary summary{.version = std::string(exporters::format_name(document.format)), .entries = document.entries.size()};
  for (const std::string& warning : document.warnings) summary.findings.push_back({Severity::kWarning, "format", "", warning});
  Checker(document, model, profile, summary).run();
  std::ranges::stable_sort(summary.findings, std::greater<>(), &Finding::severity);
  return summary;
}

}  // namespace qtool::pipeline
