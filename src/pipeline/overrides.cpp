#include "overrides.h"

#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

constexpr const char* kSource = "encodings file";

bool is_bias(const ir::Graph& graph, ir::ValueId id) {
  for (const ir::NodeId user : graph.value(id).uses) {
    const ir::Node& node = graph.node(user);
    const int slot = ops::builtin_registry().at(node).traits.bias_input;
    if (slot >= 0 && static_cast<size_t>(slot) < node.inputs.size() && node.inputs[static_cast<size_t>(slot)] == id) return true;
  }
  return false;
}

}  // namespace

std::optional<Overrides> load_overrides(const OverrideOptions& options, const LoadedModel& model, Reporter& reporter) {
  if (options.file.empty()) return std::nullopt;
  Overrides overrides{.file = options.file.filename().string(), .resolved = {}, .derived_biases = {}};
  if (options.ignore) {
    reporter.info(format("--ignore-encodings: '{}' is not used, all encodings are calibrated", overrides.file));
    return std::nullopt;
  }
  const ir::Graph& graph = model.state.graph;
  overrides.resolved = exporters::resolve_encodings(exporters::parse_encodings(read_text_file(options.file), overrides.file), graph,
                                                    ops::builtin_registry(), overrides.file,
                                                    {.removed_names = model.original_tensors, .allow_unknown = options.allow_unknown});
  for (const std::string& warning : overrides.resolved.warnings) reporter.warning(overrides.file + ": " + warning);
  std::erase_if(overrides.resolved.grids, [&](const auto& entry) {
    const bool derived = entry.second.bits == 32 && graph.is_constant(entry.first) && is_bias(graph, entry.first);
    if (derived) overrides.derived_biases.push_back(graph.value(entry.first).name);
    return derived;
  });
  if (overrides.resolved.applied() == 0) {
    throw Error(ErrorCode::kInvalidData, "not a single encoding of this file applies to the model").with("file", overrides.file);
  }
  return overrides;
}

void add_to_plan(const Overrides& overrides, passes::PlanOptions& options) {
  options.fixed = overrides.resolved.grids;
  options.tensor_bits = overrides.resolved.precision;
  for (const auto& [id, bits] : overrides.resolved.floats) options.float_tensors.insert(id);
}

void freeze_encodings(Overrides& overrides, model::ModelState& state) {
  for (const auto& [id, encoding] : overrides.resolved.grids) {
    model::EncodingEntry& entry = state.encodings[id] = {.encoding = encoding, .source = kSource, .frozen = true};
    const model::TensorPlan* plan = state.plan.find(id);
    if (plan != nullptr && plan->role == model::TensorRole::kWeight && !encoding.per_channel()) entry.encoding.channel_axis = plan->spec.channel_axis;
  }
}

OverrideOutcome outcome_of(const Overrides& overrides, const model::ModelState& state) {
  OverrideOutcome outcome;
  for (const auto& [id, entry] : state.encodings) {
    const model::TensorPlan* plan = state.plan.find(id);
    const bool derived = plan != nullptr && (plan->bias_of_weight != ir::kNoValue || plan->leader != id);
    if (entry.source == kSource) ++outcome.from_file;
    else if (derived) continue;
    else outcome.filled.push_back(state.graph.value(id).name);
    ++outcome.total;
  }
  outcome.line = format("{} of {} tensors from file '{}'", outcome.from_file, outcome.total, overrides.file);
  const exporters::ResolvedEncodings& resolved = overrides.resolved;
  if (!resolved.precision.empty()) outcome.line += format(", {} of a given width", resolved.precision.size());
  if (!resolved.floats.empty()) outcome.line += format(", {} left float", resolved.floats.size());
  if (!outcome.filled.empty()) outcome.line += format("; {} filled by calibration", outcome.filled.size());
  const size_t unused = resolved.unused.size() + overrides.derived_biases.size();
  if (unused > 0) outcome.line += format("; {} of {} entries unused", unused, resolved.in_file);
  return outcome;
}

}  // namespace qtool::pipeline
