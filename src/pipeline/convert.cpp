#include "qtool/pipeline/convert.h"

#include "qtool/container/dlc_writer.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/exporters/float_onnx.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

struct Converted {
  Bytes bytes;
  size_t ops = 0;
};

Converted to_dlc(const ConvertConfig& config, const LoadedModel& model, Reporter& reporter) {
  exporters::DlcExportReport report;
  exporters::DlcExportOptions options{.quantized = false, .model_name = config.model.path.stem().string(), .tool_version = tool_version()};
  options.float_type = config.fp16 ? exporters::DlcExportOptions::FloatType::kFloat16 : exporters::DlcExportOptions::FloatType::kFloat32;
  Bytes bytes = container::write_dlc(exporters::build_dlc(model.state, options, &report));
  for (const std::string& note : report.notes) reporter.debug(note);
  return {std::move(bytes), report.ops};
}

Converted to_onnx(const LoadedModel& model) {
  return {exporters::write_float_onnx(model.state.graph, {.tool_version = tool_version()}), model.state.graph.node_ids().size()};
}

}  // namespace

ConvertSummary convert(const ConvertConfig& config, Reporter& reporter) {
  const std::string extension = config.output.extension().string();
  if (extension != ".dlc" && extension != ".onnx") {
    throw Error(ErrorCode::kUsage, format("-o {}: the extension names the format, use .dlc or .onnx", config.output.string()));
  }
  const bool onnx = extension == ".onnx";
  if (onnx && config.fp16) throw Error(ErrorCode::kUsage, "--fp16 is for .dlc files");
  const LoadedModel model = load_model(config.model, reporter);
  const Converted converted = onnx ? to_onnx(model) : to_dlc(config, model, reporter);
  write_file_atomically(config.output, converted.bytes);
  return {.ops = converted.ops, .size_bytes = converted.bytes.size()};
}

}  // namespace qtool::pipeline
