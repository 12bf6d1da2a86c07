// `--emit qdq`: ONNX with QuantizeLinear and DequantizeLinear.
#include "qtool/exporters/qdq_exporter.h"
#include "qtool/exporters/registry.h"
#include "qtool/onnxio/export.h"
#include "qtool/support/format.h"

namespace qtool::exporters {

void register_qdq(Registry& registry) {
  registry.add({.name = "qdq",
                .summary = "<model>.qdq.onnx, ONNX with QuantizeLinear and DequantizeLinear",
                .write = [](const ExportRequest& request) -> std::vector<OutputFile> {
                  QdqExportReport report;
                  const ir::Graph graph = build_qdq(request.state, &report);
                  if (report.widened_biases > 0) {
                    request.reporter.debug(format("{} biases of 8 bits are stored as int32 with scale input x weight", report.widened_biases));
                  }
                  for (const std::string& note : report.notes) request.reporter.debug(note);
                  Bytes content = onnxio::export_model(graph, {.producer_version = request.tool_version,
                                                               .metadata = {{"qtool.profile", request.profile.name}}});
                  return {{request.model_name + ".qdq.onnx", std::move(content)}};
                }});
}

}  // namespace qtool::exporters
