// AIMET 1.0.0: lists of named entries, arrays of scales, real booleans, no min and max, no axis.
#include <algorithm>

#include "encodings/format.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

namespace {

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::vector<double> numbers_of(const Json& entry, const char* key, size_t count, double missing, const ReadContext& context,
                               const std::string& name) {
  std::vector<double> numbers = entry.contains(key) ? read_numbers(entry[key]) : std::vector<double>(count, missing);
  if (numbers.size() != count) fail(format("{} values of '{}' for {} scales", numbers.size(), key, count), context.file, name);
  return numbers;
}

void read_low_power(const Json& entry, DocumentEntry& result, const ReadContext& context) {
  quant::Encoding& encoding = result.encoding;
  quant::LowPowerScales scales{.decompressed_bits = encoding.bits};
  scales.channel_scale = read_numbers(entry.at("scale"));
  encoding.bits = result.bits = read_bits(entry, "compressed_bw", context, result.name);
  for (const double factor : read_numbers(entry.at("per_block_int_scale"))) scales.block_scale.push_back(std::llround(factor));
  const size_t channels = scales.channel_scale.size();
  if (channels == 0 || scales.block_scale.size() % channels != 0) {
    fail(format("{} block scales do not divide among {} channels", scales.block_scale.size(), channels), context.file, result.name);
  }
  const size_t blocks = scales.block_scale.size() / channels;
  for (size_t i = 0; i < scales.block_scale.size(); ++i) {
    encoding.grids.push_back({scales.channel_scale[i / blocks] * static_cast<double>(scales.block_scale[i]), lowest_signed(encoding.bits)});
    check_grid(encoding.grids.back(), encoding.bits, context, result.name);
  }
  result.channels = channels;
  encoding.is_symmetric = true;
  encoding.low_power = std::move(scales);
}

void read_grids(const Json& entry, DocumentEntry& result, const ReadContext& context) {
  quant::Encoding& encoding = result.encoding;
  encoding.is_symmetric = entry.contains("is_sym") && read_bool(entry["is_sym"]);
  const std::vector<double> scales = read_numbers(entry.at("scale"));
  const double missing = encoding.is_symmetric ? static_cast<double>(lowest_signed(encoding.bits)) : 0.0;
  const std::vector<double> offsets = numbers_of(entry, "offset", scales.size(), missing, context, result.name);
  for (size_t i = 0; i < scales.size(); ++i) {
    if (!(std::abs(offsets[i]) < 1e10)) fail("the offset is outside every grid", context.file, result.name);
    encoding.grids.push_back({scales[i], -std::llabs(std::llround(offsets[i]))});
    check_grid(encoding.grids.back(), encoding.bits, context, result.name);
  }
  if (std::ranges::any_of(offsets, [](double offset) { return offset > 0; })) {
    context.warnings.push_back(format("'{}': positive offsets were read as zero points", result.name));
  }
  if (encoding.grids.empty()) fail("the list of scales is empty", context.file, result.name);
  infer_strict(encoding);
}

void refuse_zero_point_shift(const Json& entry, const ReadContext& context, const std::string& name) {
  if (!entry.contains("zero_point_shift")) return;
  const std::vector<double> shifts = read_numbers(entry["zero_point_shift"]);
  if (std::ranges::any_of(shifts, [](double shift) { return shift != 0.0; })) {
    fail("grids whose zero lies between two levels (zero_point_shift) are not supported", context.file, name);
  }
}

DocumentEntry read_entry(const Json& entry, const ReadContext& context) {
  DocumentEntry result{.name = entry.at("name").get<std::string>()};
  result.bits = read_bits(entry, "bw", context, result.name);
  const std::string dtype = upper(entry.value("dtype", "INT"));
  if (dtype == "FLOAT" || dtype == "FP") {
    result.kind = DocumentEntry::Kind::kFloat;
    return result;
  }
  if (dtype != "INT") fail(format("dtype '{}' is neither INT nor FLOAT", dtype), context.file, result.name);
  if (!entry.contains("scale")) {
    result.kind = DocumentEntry::Kind::kPrecision;
    return result;
  }
  refuse_zero_point_shift(entry, context, result.name);
  result.encoding.bits = result.bits;
  const std::string type = upper(entry.value("enc_type", entry.contains("per_block_int_scale") ? "LPBQ" : entry.contains("block_size") ? "PER_BLOCK" : ""));
  if (type == "LPBQ") read_low_power(entry, result, context);
  else read_grids(entry, result, context);
  if (type == "LPBQ" || type == "PER_BLOCK") {
    result.encoding.channel_axis = 0;
    result.encoding.block_axis = 1;
    result.encoding.block_size = entry.at("block_size").get<int64_t>();
    if (result.encoding.block_size < 1) fail("block_size must be at least 1", context.file, result.name);
  } else if (result.encoding.grids.size() > 1 || type == "PER_CHANNEL") {
    result.encoding.channel_axis = 0;
  }
  result.axis_known = !result.encoding.per_channel();
  return result;
}

void read(const Json& file, const ReadContext& context, EncodingsDocument& document) {
  for (const auto& [section, kind] : {std::pair{"activation_encodings", EncodingsSection::kActivation},
                                      std::pair{"param_encodings", EncodingsSection::kParameter}}) {
    if (!file.contains(section)) continue;
    for (const Json& entry : file[section]) {
      const std::string name = entry.is_object() ? entry.value("name", "?") : "?";
      try {
        document.entries.push_back(read_entry(entry, context));
        document.entries.back().section = kind;
      } catch (const Json::exception& error) {
        fail(format("an entry of {} is not as version 1.0.0 has it: {}", section, error.what()), context.file, name);
      }
    }
  }
}

Json entry_json(const DocumentEntry& entry) {
  Json json;
  json["name"] = entry.name;
  if (entry.kind != DocumentEntry::Kind::kGrid) {
    json["dtype"] = "FLOAT";
    json["bw"] = entry.bits;
    return json;
  }
  const quant::Encoding& encoding = entry.encoding;
  json["dtype"] = "INT";
  json["enc_type"] = encoding.low_power ? "LPBQ" : encoding.per_block() ? "PER_BLOCK" : encoding.per_channel() ? "PER_CHANNEL" : "PER_TENSOR";
  json["bw"] = encoding.low_power ? encoding.low_power->decompressed_bits : encoding.bits;
  json["is_sym"] = encoding.is_symmetric;
  if (encoding.low_power) {
    const quant::LowPowerScales& scales = *encoding.low_power;
    json["scale"] = scales.channel_scale;
    json["offset"] = std::vector<int64_t>(scales.channel_scale.size(), lowest_signed(scales.decompressed_bits));
    json["compressed_bw"] = encoding.bits;
    json["per_block_int_scale"] = scales.block_scale;
  } else {
    Json scale = Json::array(), offset = Json::array();
    for (const quant::Grid& grid : encoding.grids) {
      scale.push_back(grid.scale);
      offset.push_back(grid.offset);
    }
    json["scale"] = std::move(scale);
    json["offset"] = std::move(offset);
  }
  if (encoding.per_block()) json["block_size"] = encoding.block_size;
  return json;
}

Json write(const EncodingsDocument& document, Losses& losses) {
  Json activations = Json::array(), parameters = Json::array();
  for (const DocumentEntry& entry : document.entries) {
    if (entry.kind == DocumentEntry::Kind::kPrecision) {
      losses.add("an entry without a range is not part of version 1.0.0 and was left out", entry.name);
      continue;
    }
    (entry.section == EncodingsSection::kParameter ? parameters : activations).push_back(entry_json(entry));
  }
  Json file;
  file["version"] = "1.0.0";
  file["activation_encodings"] = std::move(activations);
  file["param_encodings"] = std::move(parameters);
  file["quantizer_args"] = {{"activation_bitwidth", document.info.activation_bits},
                            {"dtype", "int"},
                            {"is_symmetric", document.info.symmetric_weights},
                            {"param_bitwidth", document.info.weight_bits},
                            {"per_channel_quantization", document.info.per_channel},
                            {"quant_scheme", "min_max"}};
  return file;
}

}  // namespace

FileFormat format_100() { return {EncodingsFormat::kAimet100, "1.0.0", read, write}; }

}  // namespace qtool::exporters::encodings
