#include "qtool/pipeline/inspect.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "qtool/container/dlc_reader.h"
#include "qtool/container/dlc_text.h"
#include "qtool/exporters/encodings_document.h"
#include "qtool/onnxio/import.h"
#include "qtool/onnxio/quantized_kind.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;

// ---- DLC ---------------------------------------------------------------------------------------------------------

Json encoding_json(const container::DlcEncoding& encoding) {
  Json json = Json::array();
  for (const auto& entry : encoding.entries) {
    json.push_back({{"bitwidth", entry.bitwidth}, {"min", entry.min}, {"max", entry.max}, {"scale", entry.scale}, {"offset", entry.offset}});
  }
  return json;
}

Json tensor_json(const container::DlcTensor& tensor) {
  Json json = {{"name", tensor.name}, {"dtype", container::dlc_dtype_name(tensor.dtype)}, {"dims", tensor.dims},
               {"location", static_cast<int>(tensor.location)}};
  if (!tensor.data.empty()) {
    json["static_bytes"] = tensor.data.size();
    json["sha256"] = sha256_hex(tensor.data);
  }
  if (!tensor.encoding.entries.empty()) {
    json["encodings"] = encoding_json(tensor.encoding);
    if (tensor.encoding.is_per_axis()) json["axis"] = tensor.encoding.axis;
  }
  return json;
}

Inspection inspect_dlc(const Bytes& bytes, const std::string& name, bool layers) {
  const container::DlcFile file = container::read_dlc(bytes, name);
  Json json = {{"kind", "dlc"}, {"version", format("{}.{}", file.major, file.minor)}, {"graphs", Json::array()}};
  for (const auto& [key, value] : file.metadata) json["metadata"][key] = value;
  for (const auto& graph : file.graphs) {
    std::map<std::string, int> types;
    for (const auto& op : graph.ops) ++types[op.type];
    size_t static_bytes = 0, statics = 0, encodings = 0;
    for (const auto& tensor : graph.tensors) {
      static_bytes += tensor.data.size();
      statics += tensor.location == container::DlcLocation::kStatic ? 1 : 0;
      encodings += tensor.encoding.entries.empty() ? 0 : 1;
    }
    Json g = {{"name", graph.name}, {"ops", graph.ops.size()}, {"tensors", graph.tensors.size()}, {"static_tensors", statics},
              {"static_bytes", static_bytes}, {"tensors_with_encodings", encodings}, {"op_types", types}};
    if (layers) {
      g["layers"] = Json::array();
      for (const auto& op : graph.ops) g["layers"].push_back({{"name", op.name}, {"type", op.type}, {"inputs", op.inputs}, {"outputs", op.outputs}});
      g["tensor_list"] = Json::array();
      for (const auto& tensor : graph.tensors) g["tensor_list"].push_back(tensor_json(tensor));
    }
    json["graphs"].push_back(std::move(g));
  }
  return {container::dlc_text(file, {.ops = layers, .tensors = layers}), json.dump(2) + "\n"};
}

// ---- encodings ---------------------------------------------------------------------------------------------------

Json entry_json(const exporters::DocumentEntry& entry) {
  Json row = {{"name", entry.name}, {"bitwidth", entry.bits}, {"entries", std::max<size_t>(entry.encoding.grids.size(), 1)}};
  if (entry.kind != exporters::DocumentEntry::Kind::kGrid) {
    row["dtype"] = entry.kind == exporters::DocumentEntry::Kind::kFloat ? "float" : "int";
    return row;
  }
  row["min"] = entry.encoding.min();
  row["max"] = entry.encoding.max();
  row["scale"] = entry.encoding.grids[0].scale;
  row["offset"] = entry.encoding.grids[0].offset;
  row["is_symmetric"] = entry.encoding.is_symmetric;
  if (entry.encoding.per_block()) row["block_size"] = entry.encoding.block_size;
  return row;
}

std::string entry_text(const Json& row) {
  return format("    {:<48} {} bits, {} entr{}, scale {}, offset {}, [{}, {}]\n", row["name"].get<std::string>(), row["bitwidth"].get<int>(),
                row["entries"].get<size_t>(), row["entries"].get<size_t>() == 1 ? "y" : "ies", row.value("scale", Json()).dump(),
                row.value("offset", Json()).dump(), row.value("min", Json()).dump(), row.value("max", Json()).dump());
}

// One section; version 2 has one for all.
void add_section(const exporters::EncodingsDocument& document, exporters::EncodingsSection section, const std::string& title, bool layers, Json& json,
                 std::string& text) {
  std::map<std::string, size_t> widths;
  size_t tensors = 0, per_channel = 0;
  Json list = Json::array();
  for (const exporters::DocumentEntry& entry : document.entries) {
    if (entry.section != section) continue;
    ++tensors;
    ++widths[format("{} {}", entry.kind == exporters::DocumentEntry::Kind::kFloat ? "float" : "int", entry.bits)];
    per_channel += entry.encoding.grids.size() > 1 ? 1 : 0;
    if (layers) list.push_back(entry_json(entry));
  }
  json[title] = {{"tensors", tensors}, {"per_channel", per_channel}, {"widths", widths}};
  text += format("  {}: {} tensors, {} per channel", title, tensors, per_channel);
  for (const auto& [width, count] : widths) text += format(", {} x {}", count, width);
  text += "\n";
  for (const Json& row : list) text += entry_text(row);
  if (layers) json[title]["list"] = std::move(list);
}

Inspection inspect_encodings(std::string_view content, const std::string& name, bool layers) {
  const exporters::EncodingsDocument document = exporters::parse_encodings(content, name);
  const std::string version(exporters::format_name(document.format));
  Json json = {{"kind", "encodings"}, {"version", version}};
  std::string text = format("encodings, {}{}\n", document.format == exporters::EncodingsFormat::kOverrides ? "" : "version ", version);
  using exporters::EncodingsSection;
  const bool one_list = !document.entries.empty() && document.entries[0].section == EncodingsSection::kUnknown;
  if (one_list) add_section(document, EncodingsSection::kUnknown, "encodings", layers, json, text);
  else {
    add_section(document, EncodingsSection::kActivation, "activation_encodings", layers, json, text);
    add_section(document, EncodingsSection::kParameter, "param_encodings", layers, json, text);
  }
  return {text, json.dump(2) + "\n"};
}

// ---- ONNX --------------------------------------------------------------------------------------------------------

std::string type_text(const ir::Value& value) {
  return value.type ? format("{} {}", dtype_name(value.type->dtype), value.type->shape.text()) : "unknown shape";
}

// What the grids of a quantized model are, tensor by tensor with --layers.
void describe_encodings(const InspectOptions& options, Json& json, std::string& text, Reporter& reporter) {
  const LoadedModel read = load_model({.path = options.path, .input_shapes = options.input_shapes}, reporter);
  const ir::Graph& graph = read.state.graph;
  for (const bool constants : {false, true}) {
    std::map<std::string, size_t> widths;
    Json list = Json::array();
    std::string lines;
    size_t tensors = 0, per_channel = 0;
    for (const auto& [id, entry] : read.state.encodings) {
      const quant::Encoding& e = entry.encoding;
      if (graph.is_constant(id) != constants) continue;
      ++tensors;
      ++widths[format("int {}", e.bits)];
      per_channel += e.per_channel() ? 1 : 0;
      if (!options.layers) continue;
      list.push_back({{"name", graph.value(id).name}, {"entries", e.grids.size()}, {"bitwidth", e.bits}, {"scale", e.grids[0].scale},
                      {"offset", e.grids[0].offset}, {"min", e.min()}, {"max", e.max()}, {"is_symmetric", e.is_symmetric}});
      lines += format("    {:<48} int {}, {} entr{}, scale {}, offset {}, [{}, {}]\n", graph.value(id).name, e.bits, e.grids.size(),
                      e.grids.size() == 1 ? "y" : "ies", e.grids[0].scale, e.grids[0].offset, e.min(), e.max());
    }
    const char* section = constants ? "param_encodings" : "activation_encodings";
    json[section] = {{"tensors", tensors}, {"per_channel", per_channel}, {"widths", widths}};
    if (options.layers) json[section]["list"] = std::move(list);
    text += format("  {}: {} tensors, {} per channel", section, tensors, per_channel);
    for (const auto& [width, count] : widths) text += format(", {} x {}", count, width);
    text += "\n" + lines;
  }
}

Inspection inspect_onnx(const InspectOptions& options, size_t size_bytes, Reporter& reporter) {
  onnxio::ImportOptions import;
  for (const std::string& shape : options.input_shapes) import.input_shapes.insert(onnxio::parse_input_shape(shape));
  onnxio::ImportedModel model = onnxio::import_model(options.path, import, reporter);
  try {
    ops::infer_shapes(model.graph, ops::builtin_registry(), {.fold_constants = false});
  } catch (const Error& error) {
    reporter.debug(error.what());  // a model this build cannot run can be looked at all the same
  }
  const bool layers = options.layers;
  const ir::Graph& graph = model.graph;
  std::map<std::string, int> types;
  int64_t parameters = 0;
  for (const ir::NodeId id : graph.node_ids()) ++types[graph.node(id).op_type];
  for (const ir::ValueId id : graph.value_ids()) {
    if (const Tensor* constant = graph.constant(id); constant != nullptr && is_floating(constant->dtype())) parameters += constant->element_count();
  }
  Json json = {{"kind", "onnx"}, {"size_bytes", size_bytes}, {"ir_version", model.ir_version}, {"opsets", model.opsets},
               {"nodes", graph.node_ids().size()}, {"float_parameters", parameters}, {"op_types", types}};
  std::string text = format("ONNX model, IR {}, {} nodes, {} float parameters\n", model.ir_version, graph.node_ids().size(), parameters);
  for (const auto& [domain, version] : model.opsets) text += format("  opset {} {}\n", domain.empty() ? "ai.onnx" : domain, version);
  const auto quantized = onnxio::quantized_kind(graph);
  json["quantized"] = quantized ? Json(*quantized) : Json(nullptr);
  if (quantized) {
    text += format("  quantized: {}\n", *quantized);
    try {
      describe_encodings(options, json, text, reporter);
    } catch (const Error& error) {
      reporter.warning(format("the encodings cannot be read: {}", error.what()));
    }
  }
  const auto list_values = [&](const std::vector<ir::ValueId>& ids, const char* key) {
    json[key] = Json::array();
    for (const ir::ValueId id : ids) {
      const ir::Value& value = graph.value(id);
      json[key].push_back({{"name", value.name}, {"dtype", value.type ? std::string(dtype_name(value.type->dtype)) : ""},
                           {"shape", value.type ? Json(value.type->shape.dims()) : Json(nullptr)}});
      text += format("  {}: {} {}\n", key, value.name, type_text(value));
    }
  };
  list_values(graph.inputs, "inputs");
  list_values(graph.outputs, "outputs");
  text += "  ops:";
  for (const auto& [type, count] : types) text += format(" {} {}", type, count);
  text += "\n";
  if (layers) {
    json["layers"] = Json::array();
    for (const ir::NodeId id : graph.topological_order()) {
      const ir::Node& node = graph.node(id);
      std::vector<std::string> inputs, outputs;
      for (const ir::ValueId v : node.inputs) inputs.push_back(v == ir::kNoValue ? "" : graph.value(v).name);
      for (const ir::ValueId v : node.outputs) outputs.push_back(v == ir::kNoValue ? "" : graph.value(v).name);
      json["layers"].push_back({{"name", node.name}, {"type", node.op_type}, {"inputs", inputs}, {"outputs", outputs}});
      text += format("  {:<20} {}  ({}) -> ({})\n", node.op_type, node.name, join(inputs, ", "), join(outputs, ", "));
    }
  }
  return {text, json.dump(2) + "\n"};
}

}  // namespace

Inspection inspect(const InspectOptions& options, Reporter& reporter) {
  const std::filesystem::path& path = options.path;
  const bool layers = options.layers;
  const Bytes bytes = read_file(path);
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 64));
  const bool zip = head.starts_with("PK\x03\x04");
  if (zip) return inspect_dlc(bytes, path.string(), layers);
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && (head[first] == '{' || head[first] == '[')) {
    return inspect_encodings(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path.string(), layers);
  }
  return inspect_onnx(options, bytes.size(), reporter);
}

}  // namespace qtool::pipeline
