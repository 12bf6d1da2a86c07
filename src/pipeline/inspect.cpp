#include "qtool/pipeline/inspect.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "qtool/container/dlc_reader.h"
#include "qtool/container/dlc_text.h"
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

Inspection inspect_encodings(const Json& file, const std::string& name, bool layers) {
  if (!file.is_object() || !file.contains("activation_encodings") || !file.contains("param_encodings")) {
    throw Error(ErrorCode::kInvalidData, "this JSON file is not an encodings file: activation_encodings and param_encodings are missing").with("file", name);
  }
  const std::string version = file.contains("version") && file["version"].is_string() ? file["version"].get<std::string>() : "not stated";
  Json json = {{"kind", "encodings"}, {"version", version}};
  std::string text = format("encodings, version {}\n", version);
  for (const char* section : {"activation_encodings", "param_encodings"}) {
    std::map<std::string, size_t> widths;
    size_t per_channel = 0;
    Json list = Json::array();
    const auto note = [&](const std::string& tensor, const Json& first, size_t entries) {
      ++widths[format("{} {}", first.value("dtype", "int"), first.contains("bitwidth") ? first["bitwidth"].dump() : first.value("bw", Json()).dump())];
      per_channel += entries > 1 ? 1 : 0;
      if (!layers) return;
      Json row = {{"name", tensor}, {"entries", entries}};
      for (const char* key : {"bitwidth", "min", "max", "scale", "offset", "is_symmetric"}) {
        if (first.contains(key)) row[key] = first[key];
      }
      list.push_back(std::move(row));
    };
    for (const auto& [tensor, value] : file[section].items()) {
      if (value.is_array() && !value.empty() && value[0].is_object()) note(tensor, value[0], value.size());
      else if (value.is_object()) note(value.value("name", tensor), value, value.contains("scale") && value["scale"].is_array() ? value["scale"].size() : 1);
    }
    json[section] = {{"tensors", file[section].size()}, {"per_channel", per_channel}, {"widths", widths}};
    text += format("  {}: {} tensors, {} per channel", section, file[section].size(), per_channel);
    for (const auto& [width, count] : widths) text += format(", {} x {}", count, width);
    text += "\n";
    for (const Json& row : list) {
      text += format("    {:<48} {} entr{}, scale {}, offset {}, [{}, {}]\n", row["name"].get<std::string>(), row["entries"].get<size_t>(),
                     row["entries"].get<size_t>() == 1 ? "y" : "ies", row.value("scale", Json()).dump(), row.value("offset", Json()).dump(),
                     row.value("min", Json()).dump(), row.value("max", Json()).dump());
    }
    if (layers) json[section]["list"] = std::move(list);
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
    try {
      return inspect_encodings(Json::parse(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())), path.string(), layers);
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::kInvalidData, format("malformed JSON: {}", error.what())).with("file", path.string());
    }
  }
  return inspect_onnx(options, bytes.size(), reporter);
}

}  // namespace qtool::pipeline
