#include "qtool/pipeline/convert.h"

#include "qtool/container/dlc_writer.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/files.h"

namespace qtool::pipeline {

ConvertSummary convert(const ConvertConfig& config, Reporter& reporter) {
  const LoadedModel model = load_model(config.model, reporter);
  exporters::DlcExportReport report;
  exporters::DlcExportOptions options{.quantized = false, .model_name = config.model.path.stem().string(), .tool_version = tool_version()};
  options.float_type = config.fp16 ? exporters::DlcExportOptions::FloatType::kFloat16 : exporters::DlcExportOptions::FloatType::kFloat32;
  const Bytes bytes = container::write_dlc(exporters::build_dlc(model.state, options, &report));
  for (const std::string& note : report.notes) reporter.debug(note);
  write_file_atomically(config.output, bytes);
  return {.ops = report.ops, .size_bytes = bytes.size()};
}

}  // namespace qtool::pipeline
