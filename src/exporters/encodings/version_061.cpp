// AIMET 0.6.1: objects of lists, min and max stored, booleans as strings, offsets <= 0.
#include "encodings/format.h"

namespace qtool::exporters::encodings {

namespace {

Json entry_json(const quant::Encoding& encoding, size_t channel) {
  Json entry;
  entry["bitwidth"] = encoding.bits;
  entry["dtype"] = "int";
  entry["is_symmetric"] = python_bool(encoding.is_symmetric);
  entry["max"] = encoding.max(channel);
  entry["min"] = encoding.min(channel);
  entry["offset"] = encoding.grids[channel].offset;
  entry["scale"] = encoding.grids[channel].scale;
  return entry;
}

Json entries_json(const DocumentEntry& entry) {
  Json list = Json::array();
  if (entry.kind == DocumentEntry::Kind::kGrid) {
    for (size_t c = 0; c < entry.encoding.grids.size(); ++c) list.push_back(entry_json(entry.encoding, c));
  } else {
    list.push_back({{"bitwidth", entry.bits}, {"dtype", entry.kind == DocumentEntry::Kind::kFloat ? "float" : "int"}});
  }
  return list;
}

Json write(const EncodingsDocument& document, Losses& losses) {
  Json activations = Json::object(), parameters = Json::object();
  for (const DocumentEntry& entry : document.entries) {
    refuse_blocks(entry, "version 0.6.1");
    if (entry.kind == DocumentEntry::Kind::kPrecision) {
      losses.add("an entry without a range is not part of version 0.6.1 and was left out", entry.name);
      continue;
    }
    (entry.section == EncodingsSection::kParameter ? parameters : activations)[entry.name] = entries_json(entry);
  }
  Json file;
  file["version"] = "0.6.1";
  file["activation_encodings"] = std::move(activations);
  file["param_encodings"] = std::move(parameters);
  file["quantizer_args"] = {{"activation_bitwidth", document.info.activation_bits},
                            {"dtype", "int"},
                            {"is_symmetric", python_bool(document.info.symmetric_weights)},
                            {"param_bitwidth", document.info.weight_bits},
                            {"per_channel_quantization", python_bool(document.info.per_channel)},
                            {"quant_scheme", "post_training_tf"}};
  return file;
}

}  // namespace

FileFormat format_061() { return {EncodingsFormat::kAimet061, "0.6.1", read_listed_sections, write}; }

}  // namespace qtool::exporters::encodings
