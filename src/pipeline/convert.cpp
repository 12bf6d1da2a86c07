#include "qtool/pipeline/convert.h"

#include <algorithm>

#include "qtool/container/dlc_writer.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/exporters/float_onnx.h"
#include "qtool/exporters/registry.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

constexpr int kBiasBits = 32;

// Exporter of a quantized model, by file extension.
std::string exporter_for(const std::filesystem::path& output) {
  const std::string extension = output.extension().string();
  if (extension == ".dlc") return "dlc";
  if (extension == ".onnx") return "qdq";
  if (extension == ".json") return "encodings";
  throw Error(ErrorCode::kUsage, format("-o {}: the extension names the format, use .dlc, .onnx or .json", output.string()));
}

Bytes float_dlc(const ConvertConfig& config, const LoadedModel& model, Reporter& reporter) {
  exporters::DlcExportReport report;
  exporters::DlcExportOptions options{.quantized = false, .model_name = config.model.path.stem().string(), .tool_version = tool_version()};
  options.float_type = config.fp16 ? exporters::DlcExportOptions::FloatType::kFloat16 : exporters::DlcExportOptions::FloatType::kFloat32;
  Bytes bytes = container::write_dlc(exporters::build_dlc(model.state, options, &report));
  for (const std::string& note : report.notes) reporter.debug(note);
  return bytes;
}

Bytes float_model(const ConvertConfig& config, const std::string& exporter, const LoadedModel& model, Reporter& reporter) {
  if (exporter == "encodings") {
    throw Error(ErrorCode::kUsage, "a float model has no encodings; `qtool quantize` makes them").with("file", config.model.path.string());
  }
  if (exporter == "dlc") return float_dlc(config, model, reporter);
  if (config.fp16) throw Error(ErrorCode::kUsage, "--fp16 is for .dlc files");
  return exporters::write_float_onnx(model.state.graph, {.tool_version = tool_version()});
}

// What the encodings of the file say about the backend they were made for.
model::TargetProfile profile_of(const model::ModelState& state) {
  model::TargetProfile profile{.name = "model", .weight_symmetric = true, .bias_bits = kBiasBits};
  for (const auto& [id, entry] : state.encodings) {
    const quant::Encoding& encoding = entry.encoding;
    if (!state.graph.is_constant(id)) {
      profile.activation_bits = std::max(profile.activation_bits, encoding.bits);
    } else if (encoding.bits < kBiasBits) {
      profile.weight_bits = encoding.bits;
      profile.per_channel = profile.per_channel || encoding.per_channel();
      profile.weight_symmetric = profile.weight_symmetric && encoding.is_symmetric;
    }
  }
  return profile;
}

Bytes quantized_model(const ConvertConfig& config, const std::string& exporter, const LoadedModel& model, Reporter& reporter) {
  if (config.fp16) throw Error(ErrorCode::kUsage, "--fp16 is for float models").with("file", config.model.path.string());
  const model::TargetProfile profile = profile_of(model.state);
  const exporters::ExportRequest request{model.state, profile, config.model.path.stem().string(), tool_version(), reporter};
  std::vector<exporters::OutputFile> files = exporters::builtin_registry().at(exporter).write(request);
  return std::move(files.at(0).content);
}

}  // namespace

ConvertSummary convert(const ConvertConfig& config, Reporter& reporter) {
  const std::string exporter = exporter_for(config.output);
  ModelOptions options = config.model;
  options.for_container = exporter == "dlc";
  const LoadedModel model = load_model(options, reporter);
  const bool quantized = !model.state.encodings.empty();
  const Bytes bytes = quantized ? quantized_model(config, exporter, model, reporter) : float_model(config, exporter, model, reporter);
  write_file_atomically(config.output, bytes);
  return {.ops = model.state.graph.node_ids().size(), .encodings = model.state.encodings.size(), .size_bytes = bytes.size()};
}

}  // namespace qtool::pipeline
