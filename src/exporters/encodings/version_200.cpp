// AIMET 2.0.0 and 2.1.0: one list, named as ONNX QuantizeLinear is: signedness in output_dtype, zero points, axes.
#include <algorithm>
#include <array>

#include "encodings/format.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

namespace {

// ---- reading ---------------------------------------------------------------------------------------------------

struct Storage {
  int bits = 8;
  bool is_signed = false;
};

Storage read_dtype(const Json& entry, const ReadContext& context, const std::string& name) {
  const std::string text = entry.at("output_dtype").get<std::string>();
  for (const int bits : {2, 4, 8, 16, 32}) {
    if (text == format("int{}", bits)) return {bits, true};
    if (text == format("uint{}", bits)) return {bits, false};
  }
  fail(format("output_dtype '{}' is not supported; int2 to int32 and uint2 to uint32 are", text), context.file, name);
}

int read_axis(const Json& entry, size_t rank, const ReadContext& context, const std::string& name) {
  const int axis = entry.at("axis").get<int>();
  if (axis >= 0) return axis;
  if (rank == 0) fail(format("axis {} counts from the end of a tensor of unknown rank", axis), context.file, name);
  return axis + static_cast<int>(rank);
}

// Nested lists of shape [.. channels .. blocks ..] in the order of Encoding::grids.
template <class T>
std::vector<T> channel_major(const std::vector<T>& values, const std::vector<size_t>& dims, size_t channel_axis, size_t block_axis) {
  const size_t blocks = dims[block_axis];
  std::vector<T> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    size_t rest = i, channel = 0, block = 0;
    for (size_t axis = dims.size(); axis-- > 0; rest /= dims[axis]) {
      if (axis == channel_axis) channel = rest % dims[axis];
      if (axis == block_axis) block = rest % dims[axis];
    }
    result[channel * blocks + block] = values[i];
  }
  return result;
}

// Blocks lie along `axis`; the channels along the other axis that is longer than one, else the one in front.
size_t channel_axis_beside(const std::vector<size_t>& dims, size_t block_axis) {
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (axis != block_axis && dims[axis] > 1) return axis;
  }
  return block_axis > 0 ? block_axis - 1 : 1;
}

struct Blocked {
  std::vector<size_t> dims;
  size_t channel_axis = 0, block_axis = 1;
};

Blocked read_block_layout(const Json& entry, const Json& nested, DocumentEntry& result, const ReadContext& context) {
  Blocked blocked{.dims = nesting(nested)};
  if (blocked.dims.size() < 2) fail("the scales of blocks must be nested by axis", context.file, result.name);
  const int axis = read_axis(entry, blocked.dims.size(), context, result.name);
  if (axis >= static_cast<int>(blocked.dims.size())) fail(format("there is no axis {}", axis), context.file, result.name);
  blocked.block_axis = static_cast<size_t>(axis);
  blocked.channel_axis = channel_axis_beside(blocked.dims, blocked.block_axis);
  size_t count = 1;
  for (size_t at = 0; at < blocked.dims.size(); ++at) {
    if (at != blocked.block_axis && at != blocked.channel_axis && blocked.dims[at] != 1) {
      fail("blocks along more than one axis are not supported", context.file, result.name);
    }
    count *= blocked.dims[at];
  }
  if (count != read_numbers(nested).size()) fail("the nested lists of scales have different lengths", context.file, result.name);
  result.rank = blocked.dims.size();
  result.channels = blocked.dims[blocked.channel_axis];
  result.encoding.channel_axis = static_cast<int>(blocked.channel_axis);
  result.encoding.block_axis = static_cast<int>(blocked.block_axis);
  result.encoding.block_size = entry.at("block_size").get<int64_t>();
  if (result.encoding.block_size < 1) fail("block_size must be at least 1", context.file, result.name);
  return blocked;
}

void read_low_power(const Json& entry, const Json& factors, const Json& channel_scales, DocumentEntry& result, const ReadContext& context) {
  const Blocked blocked = read_block_layout(entry, factors, result, context);
  quant::Encoding& encoding = result.encoding;
  quant::LowPowerScales scales{.decompressed_bits = 2 * encoding.bits};
  scales.channel_scale = read_numbers(channel_scales);
  if (scales.channel_scale.size() != result.channels) {
    fail(format("{} channel scales for {} channels", scales.channel_scale.size(), result.channels), context.file, result.name);
  }
  for (const double factor : channel_major(read_numbers(factors), blocked.dims, blocked.channel_axis, blocked.block_axis)) {
    const size_t channel = scales.block_scale.size() / blocked.dims[blocked.block_axis];
    scales.block_scale.push_back(std::llround(factor));
    encoding.grids.push_back({scales.channel_scale[channel] * static_cast<double>(scales.block_scale.back()), lowest_signed(encoding.bits)});
    check_grid(encoding.grids.back(), encoding.bits, context, result.name);
  }
  encoding.is_symmetric = true;
  encoding.low_power = std::move(scales);
}

std::vector<double> read_zero_points(const Json& entry, size_t count, const ReadContext& context, const std::string& name) {
  if (!entry.contains("y_zero_point")) return std::vector<double>(count, 0.0);
  std::vector<double> points = read_numbers(entry["y_zero_point"]);
  if (points.size() == 1 && count > 1) points.assign(count, points[0]);
  if (points.size() != count) fail(format("{} zero points for {} scales", points.size(), count), context.file, name);
  for (const double point : points) {
    if (!(std::abs(point) < 1e10) || point != std::nearbyint(point)) fail(format("zero point {} is not supported", point), context.file, name);
  }
  return points;
}

// AIMET writes ONNX zero points; another public exporter writes the negative offset beside an unsigned type.
int64_t offset_of(double zero_point, const Storage& storage, bool& flipped) {
  const auto point = static_cast<int64_t>(zero_point);
  if (storage.is_signed) return -point + lowest_signed(storage.bits);
  flipped = flipped || point < 0;
  return -std::llabs(point);
}

void read_affine(const Json& entry, const Storage& storage, DocumentEntry& result, const ReadContext& context) {
  quant::Encoding& encoding = result.encoding;
  const Json& nested = entry.at("y_scale");
  std::vector<double> scales = read_numbers(nested);
  std::vector<double> points = read_zero_points(entry, scales.size(), context, result.name);
  encoding.is_symmetric = storage.is_signed && std::ranges::all_of(points, [](double point) { return point == 0.0; });
  if (entry.contains("block_size") && !entry["block_size"].is_null()) {
    const Blocked blocked = read_block_layout(entry, nested, result, context);
    scales = channel_major(scales, blocked.dims, blocked.channel_axis, blocked.block_axis);
    points = channel_major(points, blocked.dims, blocked.channel_axis, blocked.block_axis);
  } else if (entry.contains("axis") && !entry["axis"].is_null()) {
    encoding.channel_axis = read_axis(entry, result.rank, context, result.name);
  } else if (scales.size() != 1) {
    fail(format("{} scales without an axis", scales.size()), context.file, result.name);
  }
  bool flipped = false;
  for (size_t i = 0; i < scales.size(); ++i) {
    encoding.grids.push_back({scales[i], offset_of(points[i], storage, flipped)});
    check_grid(encoding.grids.back(), encoding.bits, context, result.name);
  }
  if (encoding.grids.empty()) fail("the list of scales is empty", context.file, result.name);
  if (flipped) context.warnings.push_back(format("'{}': a negative zero point of an unsigned type was read with its sign flipped", result.name));
}

DocumentEntry read_entry(const Json& entry, const ReadContext& context) {
  DocumentEntry result{.name = entry.at("name").get<std::string>(), .axis_known = true};
  const std::string dtype = entry.at("output_dtype").get<std::string>();
  if (dtype == "float16" || dtype == "bfloat16" || dtype == "float32") {
    result.kind = DocumentEntry::Kind::kFloat;
    result.bits = dtype == "float32" ? 32 : 16;
    return result;
  }
  const Storage storage = read_dtype(entry, context, result.name);
  result.bits = result.encoding.bits = storage.bits;
  const bool nested_scale = entry.contains("y_scale") && entry["y_scale"].is_object();
  if (entry.contains("per_block_int_scale")) read_low_power(entry, entry["per_block_int_scale"], entry.at("per_channel_float_scale"), result, context);
  else if (nested_scale) read_low_power(entry, entry["y_scale"].at("x"), entry["y_scale"].at("x_scale"), result, context);
  else read_affine(entry, storage, result, context);
  return result;
}

void read(const Json& file, const ReadContext& context, EncodingsDocument& document) {
  for (const Json& entry : file.at("encodings")) {
    const std::string name = entry.is_object() ? entry.value("name", "?") : "?";
    try {
      document.entries.push_back(read_entry(entry, context));
    } catch (const Json::exception& error) {
      fail(format("an entry is not as version 2 has it: {}", error.what()), context.file, name);
    }
  }
}

// ---- writing ---------------------------------------------------------------------------------------------------

int storage_bits(int bits) {
  for (const int wide : {2, 4, 8, 16}) {
    if (bits <= wide) return wide;
  }
  return 32;
}

// `values` in the order of Encoding::grids, nested to the rank of the tensor.
template <class T>
Json nested_blocks(const std::vector<T>& values, const DocumentEntry& entry) {
  const size_t blocks = values.size() / entry.channels;
  const auto build = [&](auto&& self, size_t axis, size_t channel, size_t block) -> Json {
    if (axis == entry.rank) return values[channel * blocks + block];
    const bool is_channel = static_cast<int>(axis) == entry.encoding.channel_axis, is_block = static_cast<int>(axis) == entry.encoding.block_axis;
    Json list = Json::array();
    for (size_t i = 0; i < (is_channel ? entry.channels : is_block ? blocks : 1); ++i) {
      list.push_back(self(self, axis + 1, is_channel ? i : channel, is_block ? i : block));
    }
    return list;
  };
  return build(build, 0, 0, 0);
}

Json nested_channels(const std::vector<double>& values, const DocumentEntry& entry) {
  DocumentEntry channels = entry;
  channels.encoding.block_axis = -1;
  return nested_blocks(values, channels);
}

void require_layout(const DocumentEntry& entry) {
  if (entry.axis_known && entry.rank > 0 && entry.channels > 0) return;
  refuse("the file does not say how the blocks lie, which version 2 must state; give --model", entry.name);
}

Json low_power_json(const DocumentEntry& entry, bool version_210, Json json) {
  const quant::LowPowerScales& scales = *entry.encoding.low_power;
  if (scales.decompressed_bits != 2 * entry.encoding.bits) {
    refuse(format("LPBQ of {} bits decompressed to {} has no form in version 2, which doubles the width", entry.encoding.bits, scales.decompressed_bits), entry.name);
  }
  if (version_210) {
    json["y_scale"] = {{"x", nested_blocks(scales.block_scale, entry)}, {"x_scale", scales.channel_scale}, {"axis", entry.encoding.channel_axis}};
  } else {
    json["per_channel_float_scale"] = nested_channels(scales.channel_scale, entry);
    json["per_block_int_scale"] = nested_blocks(scales.block_scale, entry);
  }
  json["axis"] = entry.encoding.block_axis;
  json["block_size"] = entry.encoding.block_size;
  return json;
}

Json affine_json(const DocumentEntry& entry, int bits, Json json) {
  const quant::Encoding& encoding = entry.encoding;
  std::vector<double> scales;
  std::vector<int64_t> points;
  for (const quant::Grid& grid : encoding.grids) {
    scales.push_back(grid.scale);
    points.push_back(encoding.stored_signed() ? 0 : -grid.offset);
  }
  const bool any_point = std::ranges::any_of(points, [](int64_t point) { return point != 0; });
  json["output_dtype"] = format("{}int{}", encoding.stored_signed() ? "" : "u", bits);
  if (encoding.per_block()) {
    require_layout(entry);
    json["y_scale"] = nested_blocks(scales, entry);
    if (any_point) json["y_zero_point"] = nested_blocks(points, entry);
    json["axis"] = encoding.block_axis;
    json["block_size"] = encoding.block_size;
  } else if (encoding.per_channel()) {
    json["y_scale"] = scales;
    if (any_point) json["y_zero_point"] = points;
    json["axis"] = encoding.channel_axis;
  } else {
    json["y_scale"] = scales[0];
    if (any_point) json["y_zero_point"] = points[0];
  }
  return json;
}

void note_losses(const DocumentEntry& entry, int bits, Losses& losses) {
  const quant::Encoding& encoding = entry.encoding;
  if (encoding.is_strict) losses.add("version 2 has no strict symmetric levels; -2^(b-1) became one", entry.name);
  if (encoding.is_symmetric && !encoding.stored_signed()) losses.add("unsigned symmetric is told by the type alone, the flag is gone", entry.name);
  if (bits != encoding.bits) losses.add(format("version 2 has no {}-bit type; the grid goes on in {} bits", encoding.bits, bits), entry.name);
  if (!entry.axis_known) losses.add("the file does not state the channel axis; 0 was written (--model tells the right one)", entry.name);
}

Json write_entries(const EncodingsDocument& document, Losses& losses, bool version_210) {
  Json list = Json::array();
  for (const DocumentEntry& entry : document.entries) {
    if (entry.kind != DocumentEntry::Kind::kGrid) {
      losses.add(entry.kind == DocumentEntry::Kind::kFloat ? "version 2 leaves float tensors out; no entry means float"
                                                           : "an entry without a range is not part of version 2 and was left out",
                 entry.name);
      continue;
    }
    const int bits = storage_bits(entry.encoding.bits);
    note_losses(entry, bits, losses);
    Json json;
    json["name"] = entry.name;
    if (entry.encoding.low_power) {
      require_layout(entry);
      json["output_dtype"] = format("int{}", bits);
      list.push_back(low_power_json(entry, version_210, std::move(json)));
    } else {
      list.push_back(affine_json(entry, bits, std::move(json)));
    }
  }
  return {{"version", version_210 ? "2.1.0" : "2.0.0"}, {"encodings", std::move(list)}};
}

}  // namespace

FileFormat format_200() {
  return {EncodingsFormat::kAimet200, "2.0.0", read, [](const EncodingsDocument& d, Losses& losses) { return write_entries(d, losses, false); }};
}

FileFormat format_210() {
  return {EncodingsFormat::kAimet210, "2.1.0", read, [](const EncodingsDocument& d, Losses& losses) { return write_entries(d, losses, true); }};
}

}  // namespace qtool::exporters::encodings
