// Detection of the kind, strict writing, and what only the graph can tell.
#include <algorithm>
#include <array>
#include <set>

#include "encodings/format.h"
#include "encodings/parameter_axes.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::exporters {

namespace {

using encodings::FileFormat;
using encodings::Json;

const std::array<FileFormat, 5>& file_formats() {
  static const std::array table = {encodings::format_061(), encodings::format_100(), encodings::format_200(), encodings::format_210(),
                                   encodings::format_overrides()};
  return table;
}

const FileFormat& file_format(EncodingsFormat format) {
  return *std::ranges::find(file_formats(), format, &FileFormat::format);
}

[[noreturn]] void not_an_encodings_file(const std::string& why, const std::string& file) {
  throw Error(ErrorCode::kInvalidData, why + "; an encodings file has activation_encodings and param_encodings, or (version 2) encodings")
      .with("file", file);
}

// By shape; the version decides between kinds of one shape only, because old and foreign files state other ones.
EncodingsFormat detect(const Json& file, const std::string& name, std::vector<std::string>& warnings) {
  if (!file.is_object()) not_an_encodings_file("not a JSON object", name);
  const std::string version = file.contains("version") && file["version"].is_string() ? file["version"].get<std::string>() : "";
  EncodingsFormat found = EncodingsFormat::kOverrides;
  const auto has = [&](const char* key, bool list) { return file.contains(key) && (list ? file[key].is_array() : file[key].is_object()); };
  if (has("encodings", true)) found = version == "2.1.0" ? EncodingsFormat::kAimet210 : EncodingsFormat::kAimet200;
  else if (has("activation_encodings", true) && has("param_encodings", true)) found = EncodingsFormat::kAimet100;
  else if (has("activation_encodings", false) && has("param_encodings", false)) found = version.empty() ? EncodingsFormat::kOverrides : EncodingsFormat::kAimet061;
  else not_an_encodings_file("neither the layout of version 0.6.1, nor of 1.0.0, nor of 2.0.0", name);
  if (!version.empty() && version != format_name(found)) {
    warnings.push_back(format("the file says version {}; its layout is that of {}, and it is read so", version, format_name(found)));
  } else if (version.empty() && found != EncodingsFormat::kOverrides) {
    warnings.push_back(format("the file states no version; its layout is that of {}, but converters take such a file for 0.6.1", format_name(found)));
  }
  return found;
}

void refuse_duplicates(const EncodingsDocument& document, const std::string& file) {
  std::set<std::string> names;
  for (const DocumentEntry& entry : document.entries) {
    if (!names.insert(entry.name).second) encodings::fail("the tensor has two entries", file, entry.name);
  }
}

// ---- round trip ------------------------------------------------------------------------------------------------

// Strict grids may come back with one level more at the same scale, where the kind says so; in a wider type the lowest
// signed level moves with the width.
bool same_grids(const quant::Encoding& sent, const quant::Encoding& back) {
  const bool moved = (sent.is_strict && !back.is_strict) || (back.bits > sent.bits && sent.stored_signed());
  const int64_t lowest = encodings::lowest_signed(back.bits);
  return std::ranges::equal(sent.grids, back.grids, [&](const quant::Grid& x, const quant::Grid& y) {
    return x.scale == y.scale && (moved ? lowest : x.offset) == y.offset;
  });
}

bool survives(const DocumentEntry& sent, const DocumentEntry& back) {
  if (sent.kind != back.kind) return false;
  if (sent.kind != DocumentEntry::Kind::kGrid) return sent.bits == back.bits;
  return same_grids(sent.encoding, back.encoding) && sent.encoding.low_power == back.encoding.low_power &&
         sent.encoding.block_size == back.encoding.block_size;
}

void prove_round_trip(const EncodingsDocument& document, const std::string& text, EncodingsFormat to) {
  const EncodingsDocument again = parse_encodings(text, std::string(format_name(to)));
  std::map<std::string, const DocumentEntry*> read;
  for (const DocumentEntry& entry : again.entries) read[entry.name] = &entry;
  for (const DocumentEntry& entry : document.entries) {
    const auto at = read.find(entry.name);
    if (at == read.end() && entry.kind != DocumentEntry::Kind::kGrid) continue;  // told as a loss
    if (at == read.end() || !survives(entry, *at->second)) {
      throw Error(ErrorCode::kInternal, format("the entry does not come back from version {}", format_name(to))).with("tensor", entry.name);
    }
  }
}

void tell_sections_apart(EncodingsDocument& document, encodings::Losses& losses) {
  for (DocumentEntry& entry : document.entries) {
    if (entry.section != EncodingsSection::kUnknown) continue;
    const bool parameter = entry.encoding.per_channel() || entry.encoding.stored_signed() || entry.bits == 32;
    entry.section = parameter ? EncodingsSection::kParameter : EncodingsSection::kActivation;
    losses.add(format("version 2 does not tell parameters from activations; taken for {} by type and axis (--model tells for certain)",
                      parameter ? "a parameter" : "an activation"),
               entry.name);
  }
}

}  // namespace

std::string_view format_name(EncodingsFormat format) { return file_format(format).name; }

EncodingsFormat format_of_name(std::string_view name) {
  if (name == "qnn" || name == "qairt" || name == "quantization_overrides") return EncodingsFormat::kOverrides;
  std::vector<std::string> known;
  for (const FileFormat& candidate : file_formats()) {
    if (candidate.name == name) return candidate.format;
    known.emplace_back(candidate.name);
  }
  throw Error(ErrorCode::kUsage, format("unknown version '{}' of encodings{} (known: {})", name, did_you_mean(name, known), join(known, ", ")));
}

EncodingsDocument parse_encodings(std::string_view text, const std::string& file_name) {
  Json file;
  try {
    file = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("not valid JSON: {}", error.what())).with("file", file_name);
  }
  EncodingsDocument document;
  document.format = detect(file, file_name, document.warnings);
  file_format(document.format).read(file, {file_name, document.warnings}, document);
  refuse_duplicates(document, file_name);
  for (const DocumentEntry& entry : document.entries) {
    const bool parameter = entry.section == EncodingsSection::kParameter && entry.kind == DocumentEntry::Kind::kGrid && entry.bits <= 16;
    if (entry.section == EncodingsSection::kActivation && entry.kind == DocumentEntry::Kind::kGrid) document.info.activation_bits = entry.bits;
    if (!parameter) continue;
    document.info.weight_bits = entry.bits;
    document.info.symmetric_weights = entry.encoding.is_symmetric;
    document.info.per_channel = document.info.per_channel || entry.encoding.per_channel();
  }
  return document;
}

void settle_document(EncodingsDocument& document, const ir::Graph& graph, const ops::Registry& registry, const std::string& file_name) {
  for (DocumentEntry& entry : document.entries) {
    const ir::ValueId id = graph.find_value(entry.name);
    if (id == ir::kNoValue || !graph.value(id).type) continue;
    entry.section = graph.is_constant(id) ? EncodingsSection::kParameter : EncodingsSection::kActivation;
    encodings::settle_axes(entry, graph, registry, id, file_name);
  }
}

WrittenEncodings render_encodings(const EncodingsDocument& document, EncodingsFormat to) {
  encodings::Losses losses;
  EncodingsDocument copy = document;
  const bool has_sections = to != EncodingsFormat::kAimet200 && to != EncodingsFormat::kAimet210;
  if (has_sections) tell_sections_apart(copy, losses);
  WrittenEncodings written{.text = file_format(to).write(copy, losses).dump(2) + "\n", .losses = {}};
  prove_round_trip(copy, written.text, to);
  written.losses = losses.lines();
  return written;
}

EncodingsDocument document_of(const model::ModelState& state, const EncodingsFileInfo& info) {
  EncodingsDocument document{.info = info};
  const auto add = [&](ir::ValueId id, DocumentEntry entry) {
    entry.name = state.graph.value(id).name;
    entry.section = state.graph.is_constant(id) ? EncodingsSection::kParameter : EncodingsSection::kActivation;
    entry.axis_known = true;
    entry.rank = state.graph.value(id).type ? state.graph.type_of(id).shape.rank() : 0;
    document.entries.push_back(std::move(entry));
  };
  for (const auto& [id, found] : state.encodings) {
    DocumentEntry entry{.bits = found.encoding.bits, .encoding = found.encoding};
    if (found.encoding.per_block()) entry.channels = static_cast<size_t>(state.graph.type_of(id).shape[static_cast<size_t>(found.encoding.channel_axis)]);
    add(id, std::move(entry));
  }
  constexpr int kFloatBits = 32;
  for (const ir::ValueId id : state.plan.requested_float) {
    if (!state.encodings.contains(id)) add(id, {.kind = DocumentEntry::Kind::kFloat, .bits = kFloatBits});
  }
  return document;
}

}  // namespace qtool::exporters
