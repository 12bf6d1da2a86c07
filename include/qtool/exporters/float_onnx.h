// The float graph in flight as an ONNX file: what clean-up and accuracy optimizations made of the model.
#pragma once

#include <map>
#include <string>

#include "qtool/ir/graph.h"
#include "qtool/support/files.h"

namespace qtool::exporters {

struct FloatOnnxOptions {
  std::string tool_version;
  // Further entries of the file's metadata, for example the steps that changed the weights.
  std::map<std::string, std::string> metadata;
};

// Inputs, outputs and tensors keep their names; the operator set is the newest that a node needs. Encodings are not
// written. The same graph and options give the same bytes. Throws as onnxio::export_model() does.
[[nodiscard]] Bytes write_float_onnx(const ir::Graph& graph, const FloatOnnxOptions& options);

}  // namespace qtool::exporters
