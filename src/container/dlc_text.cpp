#include "qtool/container/dlc_text.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "little_endian.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      result += format("\\x{:02x}", code);
    } else {
      result += c;
    }
  }
  return result;
}

std::string location_text(DlcLocation location) {
  switch (location) {
    case DlcLocation::kGraphInput: return "input";
    case DlcLocation::kGraphOutput: return "output";
    case DlcLocation::kNative: return "native";
    case DlcLocation::kStatic: return "static";
  }
  return format("location {}", static_cast<int32_t>(location));
}

std::string range_text(const DlcEncodingEntry& entry, DlcDtype dtype) {
  const uint32_t bits = entry.bitwidth != 0 ? std::min(entry.bitwidth, fixed_point_bits(dtype)) : fixed_point_bits(dtype);
  if (bits == 0) return format("range [{:.6g}, {:.6g}]", entry.min, entry.max);
  const int64_t lowest = is_signed_fixed_point(dtype) ? -(int64_t{1} << (bits - 1)) : 0;
  const int64_t highest = lowest + (int64_t{1} << bits) - 1;
  const auto real = [&](int64_t code) { return static_cast<double>(entry.scale) * static_cast<double>(code + entry.offset); };
  return format("range [{:.6g}, {:.6g}]", real(lowest), real(highest));
}

std::string channels_text(const DlcEncoding& encoding) {
  const auto [low, high] = std::ranges::minmax(encoding.entries, {}, &DlcEncodingEntry::scale);
  const uint32_t bits = encoding.entries.front().bitwidth;
  return format("per channel (axis {}, {}{}): scale {:.6g} to {:.6g}", encoding.axis, encoding.entries.size(),
                bits != 0 ? format(", {} bits", bits) : "", low.scale, high.scale);
}

template <class T>
std::string values_text(const DlcTensor& tensor) {
  constexpr size_t kShown = 16;
  std::vector<T> values;
  const size_t count = tensor.data.size() / sizeof(T);
  for (size_t i = 0; i < std::min(count, kShown); ++i) values.push_back(load_little_endian<T>(tensor.data, i * sizeof(T)));
  return format("[{}{}]", join(values, ","), count > kShown ? ",..." : "");
}

std::string tensor_values_text(const DlcTensor& tensor) {
  switch (tensor.dtype) {
    case DlcDtype::kUInt32: return values_text<uint32_t>(tensor);
    case DlcDtype::kInt32: return values_text<int32_t>(tensor);
    case DlcDtype::kFloat32: return values_text<float>(tensor);
    default: return format("{} [{}]", dlc_dtype_name(tensor.dtype), join(tensor.dims, ","));
  }
}

std::string scalar_text(const DlcScalar& scalar) {
  switch (scalar.kind) {
    case DlcDtype::kString: case DlcDtype::kUndefined: return format("\"{}\"", printable(scalar.text));
    case DlcDtype::kFloat32: case DlcDtype::kFloat16: return format("{:.9g}", scalar.real);
    case DlcDtype::kBool: return scalar.integer != 0 ? "true" : "false";
    default: return format("{}", scalar.integer);
  }
}

std::string names_text(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(printable(name));
  return shown.empty() ? std::string("-") : format("{}", join(shown, ", "));
}

std::string counts_text(const std::map<std::string, uint64_t>& counts) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) parts.push_back(format("{} {}", printable(name), count));
  return parts.empty() ? std::string("-") : format("{}", join(parts, ", "));
}

DlcGraphSummary summarize_graph(const DlcGraph& graph) {
  DlcGraphSummary summary;
  summary.name = graph.name;
  summary.op_count = graph.ops.size();
  summary.tensor_count = graph.tensors.size();
  for (const DlcOp& op : graph.ops) ++summary.ops_by_type[op.type];
  for (const DlcTensor& tensor : graph.tensors) {
    const bool is_static = tensor.location == DlcLocation::kStatic;
    if (is_static) {
      ++summary.static_count;
      summary.static_bytes += tensor.data.size();
    }
    ++(is_static ? summary.statics_by_dtype : summary.activations_by_dtype)[dlc_dtype_name(tensor.dtype)];
    if (!tensor.encoding.entries.empty()) ++summary.quantized_tensor_count;
    if (tensor.location == DlcLocation::kGraphInput) summary.inputs.push_back(tensor_text(tensor));
    if (tensor.location == DlcLocation::kGraphOutput) summary.outputs.push_back(tensor_text(tensor));
  }
  return summary;
}

std::string header_text(const DlcSummary& summary) {
  std::string text = format("DLC {} (parameters: {})\n", summary.version, summary.parameter_format);
  for (const DlcRecord& record : summary.records) text += format("  record {}  {} bytes\n", printable(record.name), record.size_bytes);
  for (const auto& [key, value] : summary.metadata) text += format("  {}: {}\n", printable(key), printable(value));
  for (const std::string& note : summary.notes) text += format("  note: {}\n", printable(note));
  return text;
}

std::string totals_text(const DlcGraphSummary& summary) {
  std::string text = format("graph {}: {} ops, {} tensors ({} with a scale), {} static with {} bytes\n", printable(summary.name),
                            summary.op_count, summary.tensor_count, summary.quantized_tensor_count, summary.static_count,
                            summary.static_bytes);
  text += format("  ops by type: {}\n", counts_text(summary.ops_by_type));
  text += format("  activations: {}\n  statics: {}\n", counts_text(summary.activations_by_dtype), counts_text(summary.statics_by_dtype));
  for (const std::string& input : summary.inputs) text += format("  input   {}\n", input);
  for (const std::string& output : summary.outputs) text += format("  output  {}\n", output);
  return text;
}

std::string op_text(const DlcOp& op) {
  std::string text = format("  {} {}\n    in  {}\n    out {}\n", printable(op.type), printable(op.name), names_text(op.inputs), names_text(op.outputs));
  for (const DlcAttribute& attribute : op.attributes) text += format("    {}\n", attribute_text(attribute));
  return text;
}

}  // namespace

std::string encoding_text(const DlcEncoding& encoding, DlcDtype dtype) {
  if (encoding.type == DlcEncodingType::kNone) return "no encoding";
  if (encoding.entries.empty()) return format("encoding of type {}", static_cast<uint32_t>(encoding.type));
  if (encoding.is_per_axis()) return channels_text(encoding);
  const DlcEncodingEntry& entry = encoding.entries.front();
  return format("scale {:.8g} offset {} {}", entry.scale, entry.offset, range_text(entry, dtype));
}

std::string tensor_text(const DlcTensor& tensor) {
  return format("{} {} [{}] {} {}", printable(tensor.name), dlc_dtype_name(tensor.dtype), join(tensor.dims, ","),
                location_text(tensor.location), encoding_text(tensor.encoding, tensor.dtype));
}

std::string attribute_text(const DlcAttribute& attribute) {
  const auto* tensor = std::get_if<DlcTensor>(&attribute.value);
  const std::string value = tensor != nullptr ? tensor_values_text(*tensor) : scalar_text(std::get<DlcScalar>(attribute.value));
  return format("{} = {}{}", printable(attribute.name), value, attribute.usage == DlcUsage::kSupplemental ? " (supplemental)" : "");
}

DlcSummary summarize_dlc(const DlcFile& file) {
  DlcSummary summary;
  summary.version = format("{}.{}", file.major, file.minor);
  summary.parameter_format = file.parameter_format;
  summary.records = file.records;
  summary.metadata = file.metadata;
  summary.notes = file.notes;
  for (const DlcGraph& graph : file.graphs) summary.graphs.push_back(summarize_graph(graph));
  return summary;
}

std::string dlc_text(const DlcFile& file, const DlcTextOptions& options) {
  const DlcSummary summary = summarize_dlc(file);
  std::string text = header_text(summary);
  for (size_t i = 0; i < file.graphs.size(); ++i) {
    text += totals_text(summary.graphs[i]);
    if (options.ops) {
      for (const DlcOp& op : file.graphs[i].ops) text += op_text(op);
    }
    if (options.tensors) {
      for (const DlcTensor& tensor : file.graphs[i].tensors) text += format("  {}\n", tensor_text(tensor));
    }
  }
  return text;
}

}  // namespace qtool::container
