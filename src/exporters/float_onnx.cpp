#include "qtool/exporters/float_onnx.h"

#include "qtool/onnxio/export.h"

namespace qtool::exporters {

Bytes write_float_onnx(const ir::Graph& graph, const FloatOnnxOptions& options) {
  return onnxio::export_model(graph, {.producer_version = options.tool_version, .metadata = options.metadata});
}

}  // namespace qtool::exporters
