#include "qtool/exporters/encodings_json.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::exporters {

namespace {

using ir::ValueId;

size_t derive_biases(model::ModelState& state, const ops::Registry& registry) {
  size_t derived = 0;
  for (const ir::NodeId id : state.graph.node_ids()) {
    const ir::Node& node = state.graph.node(id);
    const ops::QuantTraits& traits = registry.at(node).traits;
    if (traits.weight_input < 0 || traits.bias_input < 0 || static_cast<size_t>(traits.bias_input) >= node.inputs.size()) continue;
    const ValueId bias = node.inputs[static_cast<size_t>(traits.bias_input)];
    if (!state.graph.is_constant(bias) || state.encodings.contains(bias)) continue;
    const auto* input = model::find_encoding(state.encodings, node.inputs[0]);
    const auto* weight = model::find_encoding(state.encodings, node.inputs[static_cast<size_t>(traits.weight_input)]);
    if (input == nullptr || weight == nullptr || input->per_channel()) continue;
    const int64_t values = state.graph.constant(bias)->element_count();
    state.encodings[bias] = {.encoding = quant::bias_encoding(input->grids[0].scale, *weight, values),
                             .source = "input scale x weight scale"};
    ++derived;
  }
  return derived;
}

[[noreturn]] void unknown_name(const std::string& name, size_t others, size_t entries, const ir::Graph& graph, const std::string& file) {
  std::vector<std::string> names;
  for (const ValueId id : graph.value_ids()) names.push_back(graph.value(id).name);
  throw Error(ErrorCode::kInvalidData, format("the model has no tensor of this name{} ({} of {} entries apply to no tensor)",
                                              did_you_mean(name, names), others, entries))
      .with("file", file)
      .with("tensor", name);
}

void put(const DocumentEntry& entry, ValueId id, ResolvedEncodings& resolved) {
  switch (entry.kind) {
    case DocumentEntry::Kind::kGrid: resolved.grids[id] = entry.encoding; break;
    case DocumentEntry::Kind::kPrecision: resolved.precision[id] = entry.bits; break;
    case DocumentEntry::Kind::kFloat: resolved.floats[id] = entry.bits; break;
  }
}

}  // namespace

WrittenEncodings write_encodings(const model::ModelState& state, const EncodingsFileInfo& info, EncodingsFormat format) {
  EncodingsDocument document = document_of(state, info);
  if (format != EncodingsFormat::kAimet200 && format != EncodingsFormat::kAimet210) {
    std::erase_if(document.entries, [](const DocumentEntry& entry) {
      return entry.section == EncodingsSection::kParameter && entry.kind == DocumentEntry::Kind::kGrid && entry.bits > 16;
    });
  }
  return render_encodings(document, format);
}

std::string write_encodings_061(const model::ModelState& state, const EncodingsFileInfo& info) {
  return write_encodings(state, info, EncodingsFormat::kAimet061).text;
}

ResolvedEncodings resolve_encodings(EncodingsDocument document, const ir::Graph& graph, const ops::Registry& registry,
                                    const std::string& file_name, const ResolveOptions& options) {
  settle_document(document, graph, registry, file_name);
  ResolvedEncodings resolved{.in_file = document.entries.size(), .warnings = document.warnings};
  std::vector<std::string> unknown;
  for (const DocumentEntry& entry : document.entries) {
    const ValueId id = graph.find_value(entry.name);
    if (id != ir::kNoValue) {
      put(entry, id, resolved);
      continue;
    }
    resolved.unused.push_back(entry.name);
    if (!options.removed_names.contains(entry.name)) unknown.push_back(entry.name);
  }
  if (!unknown.empty() && !options.allow_unknown) unknown_name(unknown.front(), resolved.unused.size(), resolved.in_file, graph, file_name);
  if (!unknown.empty()) {
    std::vector<std::string> names;
    for (const ValueId id : graph.value_ids()) names.push_back(graph.value(id).name);
    resolved.warnings.push_back(format("{} entries name tensors that the model does not have, first: '{}'{}", unknown.size(), unknown.front(),
                                       did_you_mean(unknown.front(), names)));
  }
  if (resolved.unused.size() > unknown.size()) {
    resolved.warnings.push_back(format("{} entries name tensors that clean-up has folded away and are not used, first: '{}'",
                                       resolved.unused.size() - unknown.size(), *std::ranges::find_if(resolved.unused, [&](const std::string& name) {
                                         return options.removed_names.contains(name);
                                       })));
  }
  if (resolved.applied() == 0) {
    throw Error(ErrorCode::kInvalidData, "not a single encoding of this file applies to the model").with("file", file_name);
  }
  return resolved;
}

AppliedEncodings apply_encodings(model::ModelState& state, const ops::Registry& registry, std::string_view text,
                                 const std::string& file_name, const ResolveOptions& options) {
  const ResolvedEncodings resolved = resolve_encodings(parse_encodings(text, file_name), state.graph, registry, file_name, options);
  AppliedEncodings applied{.in_file = resolved.in_file, .applied = resolved.grids.size(), .warnings = resolved.warnings};
  if (applied.applied == 0) {
    throw Error(ErrorCode::kInvalidData, "not a single encoding of this file applies to the model").with("file", file_name);
  }
  for (const auto& [id, encoding] : resolved.grids) state.encodings[id] = {.encoding = encoding, .source = "file"};
  applied.derived_biases = derive_biases(state, registry);
  return applied;
}

}  // namespace qtool::exporters
